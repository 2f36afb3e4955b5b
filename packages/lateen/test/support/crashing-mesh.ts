/** A program: brings up a local mesh with one injected pod, says so, and waits to be killed. */
import { namespaceKind } from "../../src/api/namespace/kind.ts";
import { podKind } from "../../src/api/pod/kind.ts";
import { eventually } from "./envoy-process.ts";
import { startLocalMesh } from "./local-mesh.ts";

const mesh = await startLocalMesh({ stateDir: process.argv[2] ?? "" });
const labels = { "istio-injection": "enabled" };
await mesh.client.patch(namespaceKind, "", "default", "merge", { metadata: { labels } });
// What it starts in the background leaves its process group, and has to be found all the same.
const script = "setsid sleep 1000 & exec sleep 1000";
await mesh.client.create(podKind, "default", {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "lone" },
  spec: { containers: [{ name: "app", image: "app", command: ["sh", "-c", script] }] },
});
await eventually("the pod is ready", () => {
  const status = JSON.stringify(mesh.runtime.pod("default", "lone")?.status() ?? {});
  return status.includes('"type":"Ready","status":"True"');
});
process.stdout.write(`${mesh.network.node.plan.cidr}\n`);
setInterval(() => {}, 1000);
