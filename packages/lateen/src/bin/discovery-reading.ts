/** Reads objects into the graph, and does what one replica of a cluster's does for all. */
import { RootConfigMaps } from "../ca/root-config-maps.ts";
import type { Mesh } from "../model/types.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { InputWriter, type LastGood } from "../sources/input-writer.ts";
import { KubeSource, MESH_GROUPS } from "../sources/kube/kube-source.ts";
import { RevisionSource } from "../sources/kube/revision-source.ts";
import { RevisionTags } from "../sources/kube/revision-tags.ts";
import type { ObjectSource } from "../sources/source.ts";
import { LEADS_NOTHING } from "../status/status-writer.ts";
import type { Declared, Identity } from "./discovery.ts";
import type { DiscoveryOptions } from "./discovery-options.ts";
import { objectSource } from "./discovery-source.ts";
import { type LeaderWork, startLeaderWork } from "./kube-cluster.ts";
import { meshConfigBinding, meshConfigPlace, SYSTEM_NAMESPACE } from "./mesh-config-input.ts";
import { inputBindings } from "./mesh-graph.ts";
import { PortNames } from "./port-names.ts";
import { releaseMemory } from "./release-memory.ts";

type OnObject = NonNullable<ConstructorParameters<typeof InputWriter>[0]["onObject"]>;

export interface Reading {
  /** Objects of our API groups that nothing reads, by kind; undefined where that is not counted. */
  readonly unread: KubeSource["unread"] | undefined;
  /** `onRead`: everything that was there at the start is in the graph. */
  start(kept: { lastGood?: LastGood }, onRead: () => void, onObject: OnObject): void;
  /** RootConfigMaps' `contested`, where this replica leads. */
  contested(): ReadonlyMap<string, string>;
  stopReading(): void;
  stopLeading(): Promise<void>;
}

/** `base`: where there is no ConfigMap `istio`. */
export function prepareReading(
  options: DiscoveryOptions,
  declared: Declared,
  { trust, trustDomain }: Identity,
  base: Mesh,
): Reading {
  const { source } = options;
  const { inputs } = declared.mesh;
  const place =
    source.kind === "kube" ? meshConfigPlace(source.systemNamespace, source.revision) : undefined;
  const meshBase = { base, trustDomain: trust && trustDomain, place };
  const ports = new PortNames(declared.mesh.graph, inputs, options.clock);
  const bindings = [...inputBindings(inputs, ports), meshConfigBinding(inputs.mesh, meshBase)];
  const kinds = bindings.map(binding => binding.kind);
  let leader: LeaderWork | undefined;
  let writer: InputWriter | undefined;
  const onViewChanged = (): void => leader?.refresh();
  const objects = objectSource(options, declared.client, kinds, place, onViewChanged);
  return {
    unread: objects instanceof KubeSource ? () => objects.unread() : undefined,
    start(kept, onRead, onObject) {
      if (source.kind === "kube") declared.status.setLeads(LEADS_NOTHING);
      const own = ofRevision(options, objects);
      writer = inputWriter(options, declared, {
        objects: own,
        bindings,
        onRead,
        onObject,
        ...kept,
      });
      writer.start();
      leader = startLeading(options, declared, () => trust?.authority.roots ?? [], objects);
      trust?.authority.onChanged(({ roots }) => {
        if (roots) leader?.refresh();
      });
    },
    contested: () => leader?.contested() ?? new Map(),
    stopReading: () => {
      writer?.stop();
      ports.stop();
    },
    stopLeading: async () => leader?.stop(),
  };
}

/** In a cluster several revisions may run; elsewhere there is one control plane, and all is its own. */
function ofRevision(
  { source, clock, random, log }: DiscoveryOptions,
  inner: ObjectSource,
): ObjectSource {
  if (source.kind !== "kube") return inner;
  const { client, revision, systemNamespace: namespace } = source;
  const common = { client, revision, namespace, clock, random };
  const tags = new RevisionTags({ ...common, log: log.scope("watch") });
  return new RevisionSource({
    inner,
    revision,
    tags,
    isDivided: kind => MESH_GROUPS.has(kind.group),
  });
}

interface Read {
  readonly objects: ObjectSource;
  readonly bindings: ConstructorParameters<typeof InputWriter>[0]["bindings"];
  readonly onRead: () => void;
  readonly onObject: OnObject;
  readonly lastGood?: LastGood;
}

function inputWriter(
  { clock, log }: DiscoveryOptions,
  { mesh: { graph }, diagnostics, status }: Declared,
  { objects, bindings, onRead, ...kept }: Read,
): InputWriter {
  return new InputWriter({
    graph,
    source: status.watch(objects),
    bindings,
    diagnostics,
    clock,
    log: log.scope("source"),
    onSynced: () => {
      log.info("configuration read", { revision: graph.revision });
      // Later, as whoever calls this still holds all that was read.
      setImmediate(() => {
        releaseMemory();
        onRead();
      });
      status.start();
    },
    ...kept,
  });
}

function startLeading(
  options: DiscoveryOptions,
  { status, client }: Declared,
  roots: () => readonly string[],
  objects: ObjectSource,
): LeaderWork | undefined {
  const { source, instance, clock, random, log } = options;
  if (source.kind !== "kube") return client && localRoots(options, client, roots);
  return startLeaderWork({
    client: source.client,
    namespace: source.systemNamespace,
    revision: source.revision,
    identity: instance,
    roots,
    accepts: namespace => !(objects instanceof KubeSource) || objects.accepts(namespace),
    clock,
    random,
    log,
    onLeads: leads => status.setLeads(leads),
  });
}

/** The store of one machine has one control plane, and one namespace whose roots somebody reads. */
function localRoots(
  { clock, random, log }: DiscoveryOptions,
  client: ApiClient,
  roots: () => readonly string[],
): LeaderWork {
  const accepts = (namespace: string): boolean => namespace === SYSTEM_NAMESPACE;
  const common = { client, clock, random, log: log.scope("ca") };
  const maps = new RootConfigMaps({ ...common, roots, accepts });
  maps.start();
  return {
    refresh: () => maps.refresh(),
    contested: () => maps.contested,
    stop: async () => maps.stop(),
  };
}
