/** The load generator in a pod of a real cluster: it goes on whatever happens to the API server. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { KubeNamespace } from "./kube-namespace.ts";
import type { LoadReport } from "./load.ts";

const program = readFileSync(join(import.meta.dirname, "load.ts"), "utf8");
/** Requests a second on each URL: what two cores carry with ease. */
const RATE = 6;
const SECONDS = 10;
/** One answer in five takes long, so that several requests are under way at every moment. */
const SHORT_MS = 200;
const LONG_MS = 4000;
/** Of requests under way on one URL; what the rates and delays above make is three to six. */
const LEAST_IN_FLIGHT = 1.5;
/** A keep-alive connection carries at least so many requests, on the average. */
const LEAST_REUSE = 3;
/** For a machine that does other things, too. */
const PATIENCE_MS = 180_000;

export interface LoadTarget {
  /** Of a demoapp. */
  readonly url: string;
  /** What the slow ones of its answers take; 4 s when not given. */
  readonly longMs?: number;
}

export interface KubeLoad {
  /** Lets it end; one report for each target, in their order. */
  end(): Promise<readonly LoadReport[]>;
}

/** What pods with load need to be there in their namespace. */
export async function prepareLoad(namespace: KubeNamespace): Promise<void> {
  const metadata = { name: "load" };
  const data = { "load.ts": program };
  await namespace.apply(JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata, data }));
}

/** Load on each target from a new pod with these annotations, from when this resolves until `end`. */
export async function startKubeLoad(
  namespace: KubeNamespace,
  name: string,
  targets: readonly LoadTarget[],
  annotations: Readonly<Record<string, string>> = {},
): Promise<KubeLoad> {
  await namespace.apply(JSON.stringify(loadPod(name, targets, annotations)));
  await namespace.readyPods(`app=${name}`, 1);
  for (const { url } of targets) await namespace.curl(`${name}`, url);
  await signal(namespace, name, "begin");
  return {
    async end() {
      await signal(namespace, name, "end");
      const text = await namespace.until(
        `${name} has ended`,
        async () => {
          const log = await namespace.kubectl("logs", name, "-c", name);
          return log.trimEnd().endsWith("done") ? log : undefined;
        },
        PATIENCE_MS,
      );
      const lines = text.split("\n").filter(line => line.startsWith("{"));
      return lines.map(line => JSON.parse(line) as LoadReport);
    },
  };
}

/** Fails with each lost request, and with what the client's Envoy logged of those that went wrong. */
export async function assertNothingLost(
  namespace: KubeNamespace,
  name: string,
  targets: readonly LoadTarget[],
  reports: readonly LoadReport[],
): Promise<void> {
  assert.equal(reports.length, targets.length);
  for (const [i, report] of reports.entries()) {
    const { failures, sent, good } = report;
    if (failures.length > 0) {
      // A client outside the mesh has no Envoy.
      const log = await namespace
        .kubectl("logs", name, "-c", "istio-proxy", "--tail=-1")
        .catch(() => "");
      const wrong = log.split("\n").filter(line => / HTTP\/1\.1" (0|[45]\d\d) /.test(line));
      const shown = failures.slice(0, 20).map(each => JSON.stringify(each));
      assert.fail(
        `${failures.length} of ${sent} requests from ${name} to ${targets[i]?.url} failed:\n` +
          `${shown.join("\n")}\nthe client's Envoy logged:\n${wrong.slice(-30).join("\n")}`,
      );
    }
    assert.equal(good, sent);
    assertWorthwhile(report, `${name} to ${targets[i]?.url}`);
  }
}

/** What was said of the load is what it was. */
function assertWorthwhile(report: LoadReport, which: string): void {
  const { keepAlive, connections, fresh, freshConnections, inFlight } = report;
  const what = `${which}: ${JSON.stringify({ ...report, servers: {} })}`;
  assert.ok(connections > 1 && keepAlive >= LEAST_REUSE * connections, `few carried many: ${what}`);
  assert.ok(fresh > 0 && freshConnections === fresh, `new ones were new: ${what}`);
  assert.ok(inFlight >= LEAST_IN_FLIGHT, `several were under way at a time: ${what}`);
}

/** How many good answers came from servers that got SIGTERM while they were at them. */
export function answeredAcrossSigterm(reports: readonly LoadReport[]): number {
  return reports.reduce((sum, { sigterm }) => sum + sigterm.during, 0);
}

async function signal(namespace: KubeNamespace, pod: string, file: string): Promise<void> {
  await namespace.until(`${pod} is told to ${file}`, async () => {
    const { code, stderr } = await namespace.exec(pod, ["touch", `/tmp/${file}`]);
    if (code !== 0) throw new Error(stderr);
    return true;
  });
}

function loadPod(
  name: string,
  targets: readonly LoadTarget[],
  annotations: Readonly<Record<string, string>>,
): object {
  const urls = targets.map(({ url, longMs = LONG_MS }) => {
    const delays = [SHORT_MS, SHORT_MS, SHORT_MS, SHORT_MS, longMs];
    return `'${url}?delay={${delays.join(",")}}'`;
  });
  const flags = `--rate ${RATE} --seconds ${SECONDS} --until /tmp/end`;
  const script = [
    "until [ -f /tmp/begin ]; do sleep 0.1; done",
    `node /load/load.ts ${urls.join(" ")} ${flags}`,
    "echo done",
    "sleep infinity",
  ].join("\n");
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, labels: { app: name }, annotations },
    spec: {
      terminationGracePeriodSeconds: 0,
      containers: [
        {
          name,
          image: "ikubernetes/demoapp:v1.0",
          command: ["sh", "-c", script],
          volumeMounts: [{ name: "load", mountPath: "/load" }],
        },
      ],
      volumes: [{ name: "load", configMap: { name: "load" } }],
    },
  };
}
