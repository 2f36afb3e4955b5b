import { UserError } from "../command.ts";
import type { ApiAnswer, CliContext, MeshAccess, PodRef } from "../context.ts";

interface Named {
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

/**
 * `pod`, `pod.namespace` or `type/name[.namespace]` as istioctl takes them. A pod name may itself
 * hold dots, so the whole text is tried as a name first.
 */
export async function resolvePod(ctx: CliContext, mesh: MeshAccess, text: string): Promise<PodRef> {
  const slash = text.indexOf("/");
  if (slash >= 0) return resolveOwner(ctx, mesh, text.slice(0, slash), text.slice(slash + 1));
  const dot = text.lastIndexOf(".");
  const here = { namespace: ctx.namespace, name: text };
  const qualified = { namespace: text.slice(dot + 1), name: text.slice(0, dot) };
  const refused: UserError[] = [];
  for (const ref of dot > 0 ? [qualified, here] : [here]) {
    const answer = await mesh.api({ method: "GET", path: pathOf(ref) });
    if (answer.status === 200) return ref;
    const why = refusal(answer);
    if (why !== undefined) refused.push(why);
  }
  throw refused[0] ?? (await notFound(mesh, text, ctx.namespace));
}

function pathOf({ namespace, name }: PodRef): string {
  return `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}`;
}

/** Only 404 says that something is not there; who may not look is told so. */
function refusal({ status, body }: ApiAnswer): UserError | undefined {
  if (status === 200 || status === 404) return undefined;
  const said = (body as { message?: unknown } | undefined)?.message;
  return new UserError(
    typeof said === "string" ? said : `the API server answers with status ${status}`,
  );
}

async function notFound(mesh: MeshAccess, text: string, namespace: string): Promise<UserError> {
  const everywhere = await listPods(mesh, "/api/v1/pods", undefined);
  const elsewhere = everywhere.find(pod => pod.name === text);
  if (elsewhere !== undefined) {
    return new UserError(
      `pod "${text}" is not in namespace "${namespace}"`,
      `it is in "${elsewhere.namespace}": add -n ${elsewhere.namespace}`,
    );
  }
  const near = everywhere.filter(p => p.name.startsWith(text)).map(p => `${p.name}.${p.namespace}`);
  return new UserError(
    `there is no pod "${text}" in namespace "${namespace}"`,
    near.length > 0 ? `pods of that prefix: ${near.join(", ")}` : "'lateen get pods -A' lists them",
  );
}

/** Those of a namespace with the labels; throws a UserError where they can not be listed. */
export async function selectPods(
  mesh: MeshAccess,
  namespace: string,
  selector: string,
): Promise<PodRef[]> {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods?labelSelector=${encodeURIComponent(selector)}`;
  const answer = await mesh.api({ method: "GET", path });
  const refused = refusal(answer);
  if (refused !== undefined) throw refused;
  return podsIn(answer);
}

async function listPods(
  mesh: MeshAccess,
  path: string,
  selector: string | undefined,
): Promise<PodRef[]> {
  const query = selector === undefined ? "" : `?labelSelector=${encodeURIComponent(selector)}`;
  const answer = await mesh.api({ method: "GET", path: path + query });
  return answer.status === 200 ? podsIn(answer) : [];
}

function podsIn({ body }: ApiAnswer): PodRef[] {
  const list = body as { items?: readonly Named[] };
  return (list.items ?? []).map(item => ({
    namespace: item.metadata.namespace ?? "",
    name: item.metadata.name,
  }));
}

interface OwnerKind {
  readonly prefix: string;
  readonly plural: string;
}

/** kubectl's names of kinds that have pods, and where they live. */
const OWNERS: ReadonlyMap<string, OwnerKind> = new Map(
  [
    { prefix: "/apis/apps/v1", plural: "deployments", words: ["deploy", "deployment"] },
    { prefix: "/apis/apps/v1", plural: "replicasets", words: ["rs", "replicaset"] },
    { prefix: "/apis/apps/v1", plural: "statefulsets", words: ["sts", "statefulset"] },
    { prefix: "/apis/apps/v1", plural: "daemonsets", words: ["ds", "daemonset"] },
    { prefix: "/apis/batch/v1", plural: "jobs", words: ["job"] },
    { prefix: "/api/v1", plural: "services", words: ["svc", "service"] },
  ].flatMap(({ prefix, plural, words }) =>
    [...words, plural].map(word => [word, { prefix, plural }] as const),
  ),
);

interface Owner {
  readonly spec?: { readonly selector?: { readonly matchLabels?: Record<string, string> } };
}

async function resolveOwner(
  ctx: CliContext,
  mesh: MeshAccess,
  type: string,
  rest: string,
): Promise<PodRef> {
  const [word = ""] = type.split(".");
  if (["pod", "pods", "po"].includes(word)) return resolvePod(ctx, mesh, rest);
  const kind = OWNERS.get(word);
  if (kind === undefined) {
    throw new UserError(
      `"${type}/..." does not name pods`,
      "use pod/NAME, deployment/NAME or service/NAME",
    );
  }
  const dot = rest.lastIndexOf(".");
  const name = dot > 0 ? rest.slice(0, dot) : rest;
  const namespace = dot > 0 ? rest.slice(dot + 1) : ctx.namespace;
  const place = `${kind.prefix}/namespaces/${encodeURIComponent(namespace)}/${kind.plural}`;
  const path = `${place}/${encodeURIComponent(name)}`;
  const singular = kind.plural.slice(0, -1);
  const answer = await mesh.api({ method: "GET", path });
  if (answer.status !== 200) {
    const refused = refusal(answer);
    if (refused !== undefined) throw refused;
    throw new UserError(`there is no ${singular} "${name}" in namespace "${namespace}"`);
  }
  const selector = selectorOf(kind, answer.body as Owner);
  const pods =
    selector === ""
      ? []
      : await listPods(mesh, `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`, selector);
  const [first] = pods;
  if (first === undefined) {
    throw new UserError(`${singular} "${name}" in namespace "${namespace}" has no pods yet`);
  }
  return first;
}

/** A Service's selector is the labels themselves. */
function selectorOf(kind: OwnerKind, owner: Owner): string {
  const selector = owner.spec?.selector ?? {};
  const labels = kind.plural === "services" ? selector : (selector.matchLabels ?? {});
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${String(value)}`)
    .join(",");
}
