/** The validating webhook in front of a real API server, and who keeps its configuration. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { needsKubernetes, ownKubeCluster } from "../support/kube-cluster.ts";
import { lateenOn } from "../support/lateen-command.ts";
import { startValidating, untilRefusing } from "../support/validating-control-plane.ts";

const skip = needsKubernetes("control-plane");

const good = (name: string): string => `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: ${name}, namespace: default}
spec: {servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}
`;
const bad = good("bad").replace("protocol: HTTP", "protocol: HTTPS");

/** Nothing in the CRD refuses it. */
const long = (name: string): string => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${name}, namespace: default}
spec: {hosts: ["*-${"a".repeat(62)}.example.com"], ports: [{number: 80, name: http, protocol: HTTP}]}
`;

describe("validation by the webhook", { skip, timeout: 600_000 }, () => {
  test("it lets pass until it is seen to work, then refuses with the store's words", async () => {
    const cluster = await ownKubeCluster({ mode: "control-plane" });
    const running = await startValidating(cluster, long("stored"));
    try {
      const refused = await cluster.kubectl(["apply", "-f", "-"], { input: bad });
      assert.equal(refused.code, 1);
      assert.equal(
        refused.stderr,
        'The Gateway "bad" is invalid: spec.servers[0].tls: is required for protocol HTTPS\n',
      );
      await cluster.apply(good("good"));
      const another = await cluster.kubectl(["apply", "-f", "-"], { input: long("another") });
      assert.match(another.stderr, /"another" is invalid: spec\.hosts\[0\]: found .* at most 63/);
      const entry = ["serviceentries.networking.istio.io", "stored"];
      const labelled = await cluster.kubectl(["label", ...entry, "a=b"]);
      assert.equal(labelled.code, 0, labelled.stderr);
      assert.match(labelled.stderr, /Warning: spec\.hosts\[0\]: found .* at most 63/);
      const spec = JSON.stringify({ spec: { location: "MESH_EXTERNAL" } });
      await cluster.must(["patch", ...entry, "--type=merge", "-p", spec]);
      const hosts = JSON.stringify({ spec: { hosts: [`*-${"b".repeat(62)}.example.com`] } });
      const changed = await cluster.kubectl(["patch", ...entry, "--type=merge", "-p", hosts]);
      assert.match(changed.stderr, /is invalid: spec\.hosts\[0\]: found "\*-b/);
      const { stdout } = await lateenOn(cluster, "x", "precheck");
      assert.match(
        stdout,
        /^Warning: ServiceEntry default\/stored: spec\.hosts\[0\]: found .*want/m,
      );
      await cluster.must(["delete", ...entry]);
      // Whoever takes the bundle away gets it back.
      const taken = { webhooks: [{ name: "validation.istio.io", clientConfig: { caBundle: "" } }] };
      const patch = ["patch", "validatingwebhookconfiguration", "istiod-default-validator"];
      await cluster.must([...patch, "--type=strategic", "-p", JSON.stringify(taken)]);
      await untilRefusing(cluster, "istiod-default-validator");
    } finally {
      await running.stop();
    }
    const down = await cluster.kubectl(["apply", "-f", "-"], { input: good("later") });
    assert.match(down.stderr, /failed calling webhook "validation\.istio\.io"/);
    await cluster.must(["delete", "gateways.networking.istio.io", "good"]);
  });
});
