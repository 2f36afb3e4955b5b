/** Is what goes between the pods encrypted, and by whom? Asked of Istio's standard metrics. */
import type { DemoMesh } from "./demo-mesh.ts";
import { readyPods } from "./wait.ts";

const METRICS_PORT = 15090;

/** Requests that the sidecars of an application have received. */
export interface Received {
  readonly source: string;
  /** `mutual_tls` or `none`. */
  readonly policy: string;
  readonly principal: string;
  readonly requests: number;
}

/** `istio_requests_total` of all ready pods of an application, as they report it as destinations. */
export async function received(mesh: DemoMesh, app: string): Promise<Received[]> {
  const sums = new Map<string, Received>();
  for (const pod of await readyPods(mesh, "default")) {
    if (pod.app !== app) continue;
    const response = await fetch(`http://${pod.address}:${METRICS_PORT}/stats/prometheus`);
    for (const each of parseRequests(await response.text())) {
      const key = `${each.source} ${each.policy} ${each.principal}`;
      const requests = (sums.get(key)?.requests ?? 0) + each.requests;
      sums.set(key, { ...each, requests });
    }
  }
  return [...sums.values()];
}

function parseRequests(text: string): Received[] {
  return text
    .split("\n")
    .filter(line => line.startsWith('istio_requests_total{reporter="destination"'))
    .map(line => {
      const label = (name: string): string =>
        new RegExp(`\\b${name}="([^"]*)"`).exec(line)?.[1] ?? "";
      return {
        source: label("source_workload"),
        policy: label("connection_security_policy"),
        principal: label("source_principal"),
        requests: Number(line.slice(line.lastIndexOf(" ") + 1)),
      };
    });
}
