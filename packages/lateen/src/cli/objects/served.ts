/** What an API serves: every resource in every version of its group, not in the preferred one only. */
import type { MeshAccess } from "../context.ts";
import { apiError, type Resource } from "./discover.ts";

export interface ServedResources {
  /** Each in every version that it is served in. */
  readonly all: readonly Resource[];
  /** Each once: in its group's preferred version, or the first one that has it. */
  readonly preferred: readonly Resource[];
  /** `GROUP/VERSION` of those that are announced and do not answer, as when their server is down. */
  readonly silent: readonly string[];
}

interface GroupVersions {
  readonly group: string;
  /** The preferred one first. */
  readonly versions: readonly string[];
}

export async function servedResources(mesh: MeshAccess): Promise<ServedResources> {
  const [core, groups] = await Promise.all([inOneAnswer(mesh, "/api"), inOneAnswer(mesh, "/apis")]);
  const found =
    core === undefined || groups === undefined
      ? await byVersion(mesh)
      : { all: [...core.all, ...groups.all], silent: [...core.silent, ...groups.silent] };
  const preferred = new Map<string, Resource>();
  for (const each of found.all) {
    const key = `${each.group}/${each.plural}`;
    if (!preferred.has(key)) preferred.set(key, each);
  }
  return { ...found, preferred: [...preferred.values()] };
}

type Found = Omit<ServedResources, "preferred">;

/** apidiscovery.k8s.io/v2, whose versions stand in order of preference. */
interface DiscoveryList {
  readonly kind?: string;
  readonly items?: readonly {
    readonly metadata?: { readonly name?: string };
    readonly versions?: readonly {
      readonly version: string;
      readonly freshness?: string;
      readonly resources?: readonly {
        readonly resource: string;
        readonly singularResource?: string;
        readonly scope: string;
        readonly responseKind: { readonly kind: string };
        readonly shortNames?: readonly string[];
      }[];
    }[];
  }[];
}

const IN_ONE = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/** undefined: this API server is too old for it. */
async function inOneAnswer(mesh: MeshAccess, path: string): Promise<Found | undefined> {
  const answer = await mesh.api({ method: "GET", path, accept: `${IN_ONE},application/json` });
  const list = answer.body as DiscoveryList | null;
  if (answer.status !== 200 || list?.kind !== "APIGroupDiscoveryList") return undefined;
  const places = (list.items ?? []).flatMap(item =>
    (item.versions ?? []).map(version => ({ group: item.metadata?.name ?? "", ...version })),
  );
  const all = places.flatMap(({ group, version, resources }) =>
    (resources ?? []).map(
      ({ resource, singularResource, scope, responseKind, shortNames }): Resource => ({
        group,
        version,
        kind: responseKind.kind,
        plural: resource,
        singular: singularResource || responseKind.kind.toLowerCase(),
        shortNames: shortNames ?? [],
        namespaced: scope === "Namespaced",
      }),
    ),
  );
  const silent = places.filter(({ freshness, resources }) => freshness === "Stale" && !resources);
  return { all, silent: silent.map(({ group, version }) => `${group}/${version}`) };
}

interface GroupList {
  readonly groups?: readonly {
    readonly name: string;
    readonly versions?: readonly { readonly version: string }[];
    readonly preferredVersion: { readonly version: string };
  }[];
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

async function byVersion(mesh: MeshAccess): Promise<Found> {
  const get = (path: string) => mesh.api({ method: "GET", path, accept: "application/json" });
  const answer = await get("/apis");
  if (answer.status !== 200) throw apiError(answer.body, answer.status);
  const groups = ((answer.body as GroupList).groups ?? []).map(
    ({ name, versions = [], preferredVersion }): GroupVersions => ({
      group: name,
      versions: [...new Set([preferredVersion.version, ...versions.map(({ version }) => version)])],
    }),
  );
  const places = [{ group: "", versions: ["v1"] }, ...groups].flatMap(({ group, versions }) =>
    versions.map(version => ({ group, version })),
  );
  const lists = await Promise.all(
    places.map(async place => {
      const { group, version } = place;
      const path = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
      return { place, answer: await get(path) };
    }),
  );
  const core = lists[0]?.answer;
  if (core !== undefined && core.status !== 200) throw apiError(core.body, core.status);
  return {
    all: lists.flatMap(({ place, answer: { status, body } }) =>
      status === 200 ? resourcesIn(place, body as ResourceList) : [],
    ),
    silent: lists
      .filter(({ answer: { status } }) => status !== 200)
      .map(({ place: { group, version } }) => `${group}/${version}`),
  };
}

function resourcesIn(
  { group, version }: { readonly group: string; readonly version: string },
  { resources = [] }: ResourceList,
): Resource[] {
  return resources
    .filter(({ name }) => !name.includes("/"))
    .map(({ name, singularName, namespaced, kind, shortNames }) => ({
      group,
      version,
      kind,
      plural: name,
      singular: singularName || kind.toLowerCase(),
      shortNames: shortNames ?? [],
      namespaced,
    }));
}
