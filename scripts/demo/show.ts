/** The acts of the demo. */
import type { DemoMesh } from "./demo-mesh.ts";
import { killUnderLoad } from "./failures.ts";
import { type Received, received } from "./mutual-tls.ts";
import type { Screen } from "./screen.ts";
import {
  type Answers,
  fromOutside,
  fromPod,
  HOST,
  type Origin,
  observeShares,
  REQUESTS,
  type Shares,
} from "./traffic.ts";
import { until, untilPods, untilRouted } from "./wait.ts";

const DEMOAPP_REPLICAS = 3;
/** Two versions of the application (three and two replicas) and the client. */
const PODS = DEMOAPP_REPLICAS + 2 + 1;
const PLAIN_REQUESTS = 20;

interface Cast {
  readonly outside: Origin;
  readonly sleep: Origin;
  readonly plain: Origin;
  /** Whose Envoys route requests to the application. */
  readonly routing: readonly { readonly namespace: string; readonly name: string }[];
}

export async function show(mesh: DemoMesh, screen: Screen): Promise<void> {
  screen.act("An application of two versions, and a client");
  await applyApplication(mesh, screen);
  const cast = await waitForPods(mesh, screen);

  screen.act("Calls by service name reach every replica");
  await callByName(mesh, screen);

  screen.act("Traffic from outside, through the ingress gateway");
  await openGateway(mesh, screen, cast);

  screen.act("A canary: one request in ten goes to version 1.1");
  await shift(mesh, screen, cast, "90-10", { "v1.0": 90, "v1.1": 10 });

  screen.act("The canary has won: everything goes to version 1.1");
  await shift(mesh, screen, cast, "to-v11", { "v1.0": 0, "v1.1": 100 });

  screen.act("Between the pods: mutual TLS");
  await mutualTls(mesh, screen, cast);

  screen.act("Under load: the control plane is killed, then an Envoy");
  await killUnderLoad(mesh, screen, [cast.outside, cast.sleep]);
}

async function applyApplication(mesh: DemoMesh, screen: Screen): Promise<void> {
  await mesh.show(["label", "namespace", "default", "istio-injection=enabled"]);
  const files = ["demoapp-v10", "demoapp-v11", "demoapp", "sleep", "plain-client"];
  const flags = files.flatMap(file => ["-f", `samples/demoapp/${file}.yaml`]);
  await mesh.show(["apply", ...flags]);
  screen.line("   waiting for the pods ...");
}

async function waitForPods(mesh: DemoMesh, screen: Screen): Promise<Cast> {
  const pods = await untilPods(mesh, "default", PODS);
  await untilPods(mesh, "legacy", 1);
  const [gateway] = (await untilPods(mesh, "istio-system", 2)).filter(
    pod => pod.app === "istio-ingressgateway",
  );
  await mesh.show(["get", "pods"]);
  const sleep = pods.find(pod => pod.app === "sleep");
  screen.observe(`${pods.length} pods are ready, each with an Envoy`, pods.length === PODS);
  return {
    outside: fromOutside(mesh),
    sleep: fromPod(mesh, ["deploy/sleep"], "http://demoapp:8080/"),
    plain: fromPod(mesh, ["deploy/plain-client", "-n", "legacy"], "http://demoapp.default:8080/"),
    routing: [
      { namespace: "istio-system", name: gateway?.name ?? "" },
      { namespace: "default", name: sleep?.name ?? "" },
    ],
  };
}

async function callByName(mesh: DemoMesh, screen: Screen): Promise<void> {
  const url = "http://demoappv10:8080/";
  const origin = fromPod(mesh, ["deploy/sleep"], url);
  // The sidecar may learn of a Service just after the pod is ready.
  await until(mesh, `an answer of ${url}`, "look: lateen ps", async () => {
    const { statuses } = await origin.send(1);
    return statuses["200"] === 1 ? true : undefined;
  });
  screen.line(`   first answered request ${screen.elapsedSeconds()} seconds after the start`);
  screen.command("lateen exec deploy/sleep -- curl -s demoappv10:8080     (60 times)");
  const answers = await origin.send(60);
  const counts = Object.values(answers.servers);
  for (const [server, count] of Object.entries(answers.servers))
    screen.line(`     ${String(count).padStart(3)}  ${server}`);
  const even = counts.length === DEMOAPP_REPLICAS && counts.every(count => count >= 5);
  screen.observe(
    `${answers.statuses["200"] ?? 0} of 60 answered 200, by ${counts.length} of ` +
      `${DEMOAPP_REPLICAS} replicas`,
    even && answers.statuses["200"] === 60,
  );
}

async function openGateway(mesh: DemoMesh, screen: Screen, cast: Cast): Promise<void> {
  await mesh.show(["apply", "-f", "samples/canary/gateway.yaml"]);
  const before = await until(mesh, "the gateway's port 80", "look: lateen ps", async () => {
    const answers = await cast.outside.send(1);
    return answers.statuses["404"] === undefined ? undefined : answers;
  });
  screen.observe("a Gateway without a route answers 404", isOnly(before, "404", 1));
  screen.line(`   (what curl -H 'Host: ${HOST}' http://${mesh.ingress}/ does)`);
  await shift(mesh, screen, cast, "to-v10", { "v1.0": 100, "v1.1": 0 });
}

async function shift(
  mesh: DemoMesh,
  screen: Screen,
  cast: Cast,
  file: string,
  shares: Shares,
): Promise<void> {
  await mesh.show(["apply", "-f", `samples/canary/${file}.yaml`]);
  for (const pod of cast.routing) await untilRouted(mesh, pod, shares);
  await observeShares(screen, cast.outside, shares);
  await observeShares(screen, cast.sleep, shares);
}

async function mutualTls(mesh: DemoMesh, screen: Screen, cast: Cast): Promise<void> {
  // Three shifts; the first calls, by the name of one version, come on top.
  const sent = 3 * REQUESTS;
  const rows = await until(mesh, "the metrics of the application", "", async () => {
    const found = await received(mesh, "demoapp");
    const enough = ["sleep", "istio-ingressgateway"].every(
      source => sum(found.filter(each => each.source === source)) >= sent,
    );
    return enough ? found : undefined;
  });
  screen.line("   istio_requests_total as the sidecars of the application count it:");
  for (const each of rows) printReceived(screen, each);
  const plainRows = rows.filter(each => each.policy !== "mutual_tls");
  screen.observe("all of them came over mutual TLS", plainRows.length === 0);
  const named = rows.every(each => each.principal.startsWith("spiffe://cluster.local/ns/"));
  screen.observe("each client was known by its certificate", named);
  screen.line("");
  screen.line(
    `   PERMISSIVE: a client without a sidecar (namespace legacy) is served, in plaintext.`,
  );
  const answers = await cast.plain.send(PLAIN_REQUESTS);
  const plain = await until(mesh, "the metrics of the plain client", "", async () => {
    const found = (await received(mesh, "demoapp")).filter(each => each.policy === "none");
    return sum(found) >= PLAIN_REQUESTS ? found : undefined;
  });
  for (const each of plain) printReceived(screen, each);
  screen.observe(
    `${answers.statuses["200"] ?? 0} of ${PLAIN_REQUESTS} answered 200, ${sum(plain)} counted as plaintext`,
    isOnly(answers, "200", PLAIN_REQUESTS) && sum(plain) === PLAIN_REQUESTS,
  );
}

function printReceived(screen: Screen, each: Received): void {
  const requests = String(each.requests).padStart(5);
  screen.line(
    `     ${requests}  ${each.policy.padEnd(10)}  from ${each.source}, ${each.principal}`,
  );
}

function isOnly(answers: Answers, status: string, count: number): boolean {
  return answers.statuses[status] === count && Object.keys(answers.statuses).length === 1;
}

function sum(rows: readonly Received[]): number {
  return rows.reduce((total, each) => total + each.requests, 0);
}
