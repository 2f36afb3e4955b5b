/** Finds what a word like `vs`, `gateways.networking.istio.io` or `Deployment` names, by asking the API. */
import { compareText } from "../../base/compare.ts";
import { nearest } from "../../base/nearest.ts";
import { UserError } from "../command.ts";
import type { MeshAccess } from "../context.ts";
import { type ServedResources, servedResources } from "./served.ts";

export interface Resource {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly namespaced: boolean;
}

function groupVersionOf({ group, version }: Resource): string {
  return group === "" ? version : `${group}/${version}`;
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
  #found: Promise<ServedResources> | undefined;

  constructor(mesh: MeshAccess) {
    this.#mesh = mesh;
  }

  /** What `all` stands for, as far as it is served here, in kubectl's order. */
  async all(): Promise<readonly Resource[]> {
    const { preferred } = await this.#load();
    return IN_ALL.flatMap(([group, plural]) => {
      const found = preferred.find(each => each.plural === plural && each.group === group);
      return found === undefined ? [] : [found];
    });
  }

  /** A word of the command line: kind, plural, singular or short name, with or without a group. */
  async byWord(word: string): Promise<Resource> {
    const { preferred, all, silent } = await this.#load();
    const [name = "", ...rest] = word.toLowerCase().split(".");
    const group = rest.join(".");
    const named = (r: Resource): boolean =>
      r.plural === name ||
      r.singular === name ||
      r.kind.toLowerCase() === name ||
      r.shortNames.includes(name);
    const found =
      preferred.find(r => named(r) && (group === "" || r.group === group)) ??
      all.find(r => named(r) && `${r.version}.${r.group}`.replace(/\.$/, "") === group);
    if (found !== undefined) return found;
    const near = nearest(
      name,
      preferred.flatMap(r => [r.plural, r.singular]),
    );
    throw new UserError(
      `error: the server doesn't have a resource type "${word}"`,
      near === undefined ? silentHint(silent) : `did you mean "${near}"?`,
    );
  }

  /** What completion offers. */
  async plurals(): Promise<string[]> {
    return [...new Set((await this.#load()).preferred.map(each => each.plural))];
  }

  /** The resource of an object's apiVersion and kind. */
  async byKind(apiVersion: string, kind: string): Promise<Resource> {
    const slash = apiVersion.indexOf("/");
    const group = slash < 0 ? "" : apiVersion.slice(0, slash);
    const version = slash < 0 ? apiVersion : apiVersion.slice(slash + 1);
    const { all, silent } = await this.#load();
    const ofKind = all.filter(r => r.group === group && r.kind === kind);
    const found = ofKind.find(r => r.version === version);
    if (found !== undefined) return found;
    const kinds = [...new Set(all.filter(r => r.group === group).map(r => r.kind))];
    const near = nearest(kind, kinds);
    throw new UserError(
      `no kind "${kind}" in "${apiVersion}" is served here`,
      ofKind.length > 0
        ? `it is served in ${ofKind.map(groupVersionOf).join(", ")}`
        : kinds.length === 0
          ? (silentHint(silent) ?? `groups served here: ${groupsOf(all).join(", ")}`)
          : near === undefined
            ? `kinds of that group: ${kinds.sort(compareText).join(", ")}`
            : `did you mean ${near}?`,
    );
  }

  #load(): Promise<ServedResources> {
    this.#found ??= servedResources(this.#mesh);
    return this.#found;
  }
}

function silentHint(silent: readonly string[]): string | undefined {
  return silent.length === 0 ? undefined : `these do not answer: ${silent.join(", ")}`;
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
