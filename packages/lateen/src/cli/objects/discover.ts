/** Finds what a word like `vs`, `gateways.networking.istio.io` or `Deployment` names, by asking the API. */
import { compareText } from "../../base/compare.ts";
import { nearest } from "../../base/nearest.ts";
import { UserError } from "../command.ts";
import type { MeshAccess } from "../context.ts";

export interface Resource {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly namespaced: boolean;
}

interface ResourceList {
  readonly resources?: readonly {
    readonly name: string;
    readonly singularName: string;
    readonly namespaced: boolean;
    readonly kind: string;
    readonly shortNames?: readonly string[];
  }[];
}

interface GroupList {
  readonly groups?: readonly {
    readonly name: string;
    readonly preferredVersion: { readonly version: string };
  }[];
}

function groupsOf(all: readonly Resource[]): string[] {
  return [...new Set(all.map(r => (r.group === "" ? "core (apiVersion v1)" : r.group)))];
}

/** Kubernetes' category `all`: group and plural. */
const IN_ALL: readonly (readonly [string, string])[] = [
  ["", "pods"],
  ["", "replicationcontrollers"],
  ["", "services"],
  ["apps", "daemonsets"],
  ["apps", "deployments"],
  ["apps", "replicasets"],
  ["apps", "statefulsets"],
  ["autoscaling", "horizontalpodautoscalers"],
  ["batch", "cronjobs"],
  ["batch", "jobs"],
];

export class Resources {
  readonly #mesh: MeshAccess;
  #all: Promise<readonly Resource[]> | undefined;

  constructor(mesh: MeshAccess) {
    this.#mesh = mesh;
  }

  /** What `all` stands for, as far as it is served here, in kubectl's order. */
  async all(): Promise<readonly Resource[]> {
    const served = await this.#load();
    return IN_ALL.flatMap(([group, plural]) => {
      const found = served.find(each => each.plural === plural && each.group === group);
      return found === undefined ? [] : [found];
    });
  }

  /** A word of the command line: kind, plural, singular or short name, with or without a group. */
  async byWord(word: string): Promise<Resource> {
    const all = await this.#load();
    const [name = "", ...rest] = word.toLowerCase().split(".");
    const group = rest.join(".");
    const found = all.find(
      r =>
        (r.plural === name ||
          r.singular === name ||
          r.kind.toLowerCase() === name ||
          r.shortNames.includes(name)) &&
        (group === "" || r.group === group || `${r.version}.${r.group}` === group),
    );
    if (found !== undefined) return found;
    const near = nearest(
      name,
      all.flatMap(r => [r.plural, r.singular]),
    );
    throw new UserError(
      `error: the server doesn't have a resource type "${word}"`,
      near === undefined ? undefined : `did you mean "${near}"?`,
    );
  }

  /** What completion offers. */
  async plurals(): Promise<string[]> {
    return [...new Set((await this.#load()).map(each => each.plural))];
  }

  /** The resource of an object's apiVersion and kind; the object's own version is kept. */
  async byKind(apiVersion: string, kind: string): Promise<Resource> {
    const slash = apiVersion.indexOf("/");
    const group = slash < 0 ? "" : apiVersion.slice(0, slash);
    const version = slash < 0 ? apiVersion : apiVersion.slice(slash + 1);
    const all = await this.#load();
    const found = all.find(r => r.group === group && r.kind === kind);
    if (found === undefined) {
      const kinds = all.filter(r => r.group === group).map(r => r.kind);
      const near = nearest(kind, kinds);
      throw new UserError(
        `no kind "${kind}" in "${apiVersion}" is served here`,
        kinds.length === 0
          ? `groups served here: ${groupsOf(all).join(", ")}`
          : near === undefined
            ? `kinds of that group: ${kinds.sort(compareText).join(", ")}`
            : `did you mean ${near}?`,
      );
    }
    return { ...found, version };
  }

  #load(): Promise<readonly Resource[]> {
    this.#all ??= this.#fetch();
    return this.#all;
  }

  async #fetch(): Promise<readonly Resource[]> {
    const groups = await this.#get<GroupList>("/apis");
    const places = [
      { group: "", version: "v1", path: "/api/v1" },
      ...(groups.groups ?? []).map(g => ({
        group: g.name,
        version: g.preferredVersion.version,
        path: `/apis/${g.name}/${g.preferredVersion.version}`,
      })),
    ];
    const lists = await Promise.all(
      places.map(async place => ({ place, list: await this.#get<ResourceList>(place.path) })),
    );
    return lists.flatMap(({ place, list }) =>
      (list.resources ?? [])
        .filter(r => !r.name.includes("/"))
        .map(r => ({
          group: place.group,
          version: place.version,
          kind: r.kind,
          plural: r.name,
          singular: r.singularName || r.kind.toLowerCase(),
          shortNames: r.shortNames ?? [],
          namespaced: r.namespaced,
        })),
    );
  }

  async #get<T>(path: string): Promise<T> {
    const answer = await this.#mesh.api({ method: "GET", path, accept: "application/json" });
    if (answer.status !== 200) throw apiError(answer.body, answer.status);
    return answer.body as T;
  }
}

/** `/apis/GROUP/VERSION/namespaces/NS/PLURAL/NAME` and its shorter forms. */
export function resourcePath(
  resource: Resource,
  namespace: string | undefined,
  name?: string,
): string {
  const prefix =
    resource.group === ""
      ? `/api/${resource.version}`
      : `/apis/${resource.group}/${resource.version}`;
  const middle =
    resource.namespaced && namespace !== undefined
      ? `/namespaces/${encodeURIComponent(namespace)}`
      : "";
  const end = name === undefined ? "" : `/${encodeURIComponent(name)}`;
  return `${prefix}${middle}/${resource.plural}${end}`;
}

/** As kubectl names an object in its answers: `gateway.networking.istio.io/x`, `service/x`. */
export function displayName(resource: Resource, name: string): string {
  return resource.group === ""
    ? `${resource.singular}/${name}`
    : `${resource.singular}.${resource.group}/${name}`;
}

/** A Kubernetes Status as kubectl words it: with its reason, where it has one. */
export function apiError(body: unknown, status: number): UserError {
  const text =
    typeof body === "object" &&
    body !== null &&
    "message" in body &&
    typeof body.message === "string"
      ? body.message
      : `the API server answered ${status}`;
  const reason =
    typeof body === "object" && body !== null && "reason" in body ? String(body.reason) : "";
  const known = reason === "" || reason === "Unknown" ? "" : ` (${reason})`;
  return new UserError(`Error from server${known}: ${text}`);
}
