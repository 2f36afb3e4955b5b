import { shellWord } from "../../packages/lateen/src/cli/kubectl.ts";
import { type DemoMesh, root } from "./demo-mesh.ts";
import type { Screen } from "./screen.ts";
import { HOST } from "./traffic.ts";

/** What to try in another terminal while the demo's mesh is up. */
export function printNextSteps(screen: Screen, mesh: DemoMesh, name: string): void {
  const home = process.env["LATEEN_HOME"];
  const lines = [
    "",
    "== What to try next, in another terminal",
    `   cd ${shellWord(root)}`,
    `   export PATH=$PWD/bin:$PATH LATEEN_MESH=${name}${home === undefined ? "" : ` LATEEN_HOME=${shellWord(home)}`}`,
    "",
    "   lateen ps                                       is every Envoy up to date?",
    "   lateen get pods,svc,gw,vs,dr -A                 what is declared",
    "   lateen pc routes deploy/sleep --name 8080       what the client's Envoy does with it",
    "   lateen pc secret deploy/sleep                   its certificate",
    "   lateen logs deploy/demoappv11 -c istio-proxy    the access log of a sidecar",
    "   lateen apply -f samples/canary/90-10.yaml       back to the canary",
    "   lateen exec deploy/sleep -- curl -s demoapp:8080",
    `   curl -H 'Host: ${HOST}' http://${mesh.ingress}/`,
    `   kubectl --kubeconfig ${shellWord(mesh.kubeconfig)} get pods`,
    "",
    "   A mesh of your own, which keeps what you apply: lateen up --mesh mine",
    "",
    "The mesh stays up until Ctrl-C.",
  ];
  for (const line of lines) screen.line(line);
}
