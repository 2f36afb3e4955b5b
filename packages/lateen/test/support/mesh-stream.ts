/** What a proxy's stream holds and is told, without the protocol: watch sets over the resources. */
import { createWatchSets } from "../../src/flow/watch.ts";
import type { WatchSet, WatchSets } from "../../src/flow/watch-types.ts";
import { type EncodedResource, TypeUrl } from "../../src/xds/resource.ts";
import { viewKey } from "../../src/xds/resources/family.ts";
import type { Resources } from "../../src/xds/resources/resources.ts";
import type { TestMesh } from "./mesh.ts";

type ResourceSet = WatchSet<EncodedResource | undefined>;
type Type = keyof Resources;

/** One for a mesh: streams share sets. */
export class TestStreams {
  readonly mesh: TestMesh;
  readonly #sets: ReadonlyMap<Type, WatchSets<EncodedResource | undefined>>;

  constructor(mesh: TestMesh) {
    this.mesh = mesh;
    const types: readonly Type[] = Object.values(TypeUrl).filter(type => type !== TypeUrl.secret);
    this.#sets = new Map(
      types.map(type => {
        const { cells, names } = mesh.resources[type];
        return [type, createWatchSets({ cells, names, cellKey: viewKey })];
      }),
    );
  }

  /** Subscribes as a sidecar does: everything of CDS and LDS, then what these name. */
  open(proxy: string, routes: readonly string[]): TestStream {
    const stream = new TestStream();
    stream.add("CDS", this.#wildcard(proxy, TypeUrl.cluster));
    stream.add("LDS", this.#wildcard(proxy, TypeUrl.listener));
    stream.add("VHDS", this.#wildcard(proxy, TypeUrl.virtualHost));
    const clusters = this.mesh.names(proxy, TypeUrl.cluster);
    const outbound = clusters.filter(name => name.startsWith("outbound|"));
    stream.add("EDS", [this.#named(proxy, TypeUrl.endpoint, outbound)]);
    stream.add("RDS", [this.#named(proxy, TypeUrl.route, routes)]);
    return stream;
  }

  #wildcard(proxy: string, type: Type): ResourceSet[] {
    const views = this.mesh.resources[type].wildcardViews(this.mesh.classOf(proxy));
    return views.map(view => this.#of(type).following(view, view));
  }

  #named(proxy: string, type: Type, names: readonly string[]): ResourceSet {
    const view = this.mesh.resources[type].namedView(this.mesh.classOf(proxy))(names[0] ?? "");
    return this.#of(type).explicit(view, names);
  }

  #of(type: Type): WatchSets<EncodedResource | undefined> {
    const sets = this.#sets.get(type);
    if (sets === undefined) throw new Error(type);
    return sets;
  }
}

export class TestStream {
  readonly #sets: { readonly type: string; readonly set: ResourceSet; revision: number }[] = [];

  add(type: string, sets: readonly ResourceSet[]): void {
    for (const set of sets) {
      set.retain();
      this.#sets.push({ type, set, revision: -1 });
    }
  }

  /** Identities of the sets, to see which streams share them. */
  ids(): readonly string[] {
    return this.#sets.map(({ type, set }) => `${type} ${set.id}`);
  }

  /** What a push would hold since the last one: `CDS name`, with `-` before what is gone. */
  take(): { readonly names: readonly string[]; readonly bytes: number } {
    const names: string[] = [];
    let bytes = 0;
    for (const held of this.#sets) {
      held.set.settle(() => false);
      const { changed, removed } = held.set.since(held.revision);
      held.revision = held.set.revision;
      for (const name of changed) {
        const resource = held.set.cell(name)?.value();
        names.push(`${held.type} ${name}`);
        bytes += resource?.deltaField.length ?? 0;
      }
      names.push(...removed.map(name => `-${held.type} ${name}`));
    }
    return { names, bytes };
  }

  close(): void {
    for (const { set } of this.#sets.splice(0)) set.release();
  }
}
