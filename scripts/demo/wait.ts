/** Waiting for what was applied to arrive. */
import { UserError } from "../../packages/lateen/src/cli/command.ts";
import type { DemoMesh } from "./demo-mesh.ts";
import type { Shares } from "./traffic.ts";

const TIMEOUT_MS = 90_000;
const POLL_MS = 100;

/** Until `attempt` gives something; throws a UserError that says what did not come. */
export async function until<T>(
  mesh: DemoMesh,
  what: string,
  hint: string,
  attempt: () => Promise<T | undefined>,
): Promise<T> {
  const end = performance.now() + TIMEOUT_MS;
  while (performance.now() < end) {
    mesh.throwIfInterrupted();
    const found = await attempt();
    if (found !== undefined) return found;
    await new Promise(done => setTimeout(done, POLL_MS));
  }
  throw new UserError(`${what}: not within ${TIMEOUT_MS / 1000} seconds`, hint);
}

interface PodStatus {
  readonly metadata: { readonly name: string; readonly labels?: Record<string, string> };
  readonly status?: {
    readonly podIP?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

export interface ReadyPod {
  readonly name: string;
  readonly address: string;
  readonly app: string;
}

export async function readyPods(mesh: DemoMesh, namespace: string): Promise<ReadyPod[]> {
  const path = `/api/v1/namespaces/${namespace}/pods`;
  const answer = await mesh.access().api({ method: "GET", path });
  const { items = [] } = answer.body as { items?: readonly PodStatus[] };
  return items
    .filter(pod => pod.status?.conditions?.some(c => c.type === "Ready" && c.status === "True"))
    .map(pod => ({
      name: pod.metadata.name,
      address: pod.status?.podIP ?? "",
      app: pod.metadata.labels?.["app"] ?? "",
    }));
}

export function untilPods(mesh: DemoMesh, namespace: string, count: number): Promise<ReadyPod[]> {
  const hint = `look: lateen get pods -n ${namespace}`;
  return until(mesh, `${count} pods in ${namespace} are ready`, hint, async () => {
    const pods = await readyPods(mesh, namespace);
    return pods.length >= count ? pods : undefined;
  });
}

const SUBSETS: Readonly<Record<string, string>> = { "v1.0": "v10", "v1.1": "v11" };

/** Until the Envoy of a pod holds routes with these weights: a change is on its way until then. */
export async function untilRouted(
  mesh: DemoMesh,
  pod: { readonly namespace: string; readonly name: string },
  shares: Shares,
): Promise<void> {
  const hint = `look: lateen pc routes ${pod.name}.${pod.namespace} -o json`;
  await until(mesh, `the routes of ${pod.name}`, hint, async () => {
    const dump = await mesh.access().envoyAdmin(pod, "GET", "config_dump");
    const routes = canaryRoutes(JSON.parse(dump));
    const same = routes.every(weights =>
      Object.entries(shares).every(
        ([version, share]) => (weights.get(SUBSETS[version] ?? "") ?? 0) === share,
      ),
    );
    return routes.length > 0 && same ? true : undefined;
  });
}

const SUBSET_CLUSTER = /^outbound\|8080\|(\w+)\|demoapp\.default\.svc\.cluster\.local$/;

/** The weights of the subsets in each route to them, found anywhere in an Envoy's configuration. */
function canaryRoutes(value: unknown): ReadonlyMap<string, number>[] {
  if (typeof value !== "object" || value === null) return [];
  const found = Object.values(value).flatMap(canaryRoutes);
  const { cluster, weighted_clusters: weighted } = value as {
    cluster?: unknown;
    weighted_clusters?: { clusters?: readonly { name: string; weight?: number }[] };
  };
  const targets = weighted?.clusters ?? (typeof cluster === "string" ? [{ name: cluster }] : []);
  const weights = new Map<string, number>();
  for (const { name, weight = weighted === undefined ? 100 : 0 } of targets) {
    const subset = SUBSET_CLUSTER.exec(name)?.[1];
    if (subset !== undefined) weights.set(subset, weight);
  }
  return weights.size === 0 ? found : [...found, weights];
}
