/**
 * A Kubernetes cluster as a source: one informer a kind, of which some may have a narrower scope. What
 * the cluster's CRDs do not have yet is looked for when they come. Objects in namespaces that the
 * mesh configuration does not select are as if they were not there.
 */
import { configMapKind } from "../../api/config-map/kind.ts";
import type { Json, Kind } from "../../api/kind.ts";
import {
  decodeDiscoverySelectors,
  type LabelSelector,
} from "../../api/mesh-config/discovery-selectors.ts";
import { namespaceKind } from "../../api/namespace/kind.ts";
import { secretKind } from "../../api/secret/kind.ts";
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { ApiClient } from "../client/api-client.ts";
import { Informer, type InformerOptions, type ObjectChange } from "../client/informer.ts";
import { isObject, objectAt, stringAt } from "../json.ts";
import type { ObjectSource, SourceChange, SourceSink } from "../source.ts";
import { decodeYaml } from "../yaml.ts";
import { NamespaceView } from "./namespace-view.ts";
import { trimObject } from "./trim.ts";
import { crdResource, UnreadKinds } from "./unread-kinds.ts";

export interface KubeSourceOptions {
  readonly name: string;
  readonly client: ApiClient;
  /** Kinds to tell of. ConfigMaps are told of one only: the mesh configuration. */
  readonly kinds: readonly Kind[];
  readonly meshConfig: { readonly namespace: string; readonly name: string };
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: () => number;
  readonly log: Log;
  /** Namespaces came into view or left it: `accepts` says something else of them. */
  readonly onViewChanged?: () => void;
}

/** Of these revisions may have objects of their own, and a kind without a schema is worth counting. */
export const MESH_GROUPS: ReadonlySet<string> = new Set([
  "networking.istio.io",
  "security.istio.io",
  "telemetry.istio.io",
  "extensions.istio.io",
  "gateway.networking.k8s.io",
]);

/**
 * Only those that could hold a certificate for a gateway; what is in others never gets here. A
 * control plane without the right to list Secrets runs, without them.
 */
const SECRETS: Pick<InformerOptions, "fieldSelector" | "optional"> = {
  fieldSelector: [
    "type!=kubernetes.io/service-account-token",
    "type!=kubernetes.io/dockerconfigjson",
    "type!=kubernetes.io/dockercfg",
    "type!=bootstrap.kubernetes.io/token",
    "type!=helm.sh/release.v1",
    "type!=istio.io/ca-root",
  ].join(","),
  optional: true,
};

/** Where CRDs may not be watched, a missing kind is asked for this often. */
const ABSENT_RETRY_MS = 60_000;

export class KubeSource implements ObjectSource {
  readonly name: string;
  readonly #options: KubeSourceOptions;
  readonly #view: NamespaceView;
  readonly #unread: UnreadKinds;
  /** By `plural.group`. */
  readonly #informers = new Map<string, Informer>();
  readonly #meshConfig: Informer;
  readonly #namespaces: Informer;
  readonly #crds: Informer;
  #sink: SourceSink | undefined;
  #started = false;
  #synced = false;

  constructor(options: KubeSourceOptions) {
    this.name = options.name;
    this.#options = options;
    const { client, clock, random, log, meshConfig } = options;
    this.#view = new NamespaceView(meshConfig.namespace);
    this.#unread = new UnreadKinds({ client, clock, random, log });
    this.#meshConfig = this.#informer({
      resource: configMapKind,
      namespace: meshConfig.namespace,
      fieldSelector: `metadata.name=${meshConfig.name}`,
      onChanges: changes => this.#onMeshConfig(changes),
    });
    this.#namespaces = this.#informer({
      resource: namespaceKind,
      form: "metadata",
      onChanges: changes => this.#onNamespaces(changes),
    });
    this.#crds = this.#informer({
      resource: crdResource,
      form: "metadata",
      onChanges: changes => this.#onCrds(changes),
    });
  }

  start(sink: SourceSink): void {
    this.#sink = sink;
    this.#meshConfig.start();
    this.#namespaces.start();
  }

  stop(): void {
    this.#sink = undefined;
    const own = [this.#meshConfig, this.#namespaces, this.#crds];
    for (const informer of [...own, ...this.#informers.values()]) informer.stop();
    this.#unread.stop();
  }

  /** Whether the mesh configuration selects this namespace. */
  accepts(namespace: string): boolean {
    return this.#view.accepts(namespace);
  }

  /** Objects of the mesh's API groups that nothing reads, by `plural.group`. */
  unread(): ReadonlyMap<string, number> {
    return this.#unread.counts();
  }

  /** What is there is read only now, when it is known which namespaces count. */
  #startKinds(): void {
    if (this.#started || !this.#meshConfig.synced || !this.#namespaces.synced) return;
    this.#started = true;
    const kinds = this.#options.kinds.filter(kind => kind !== configMapKind);
    for (const kind of kinds) this.#informers.set(crdName(kind), this.#kindInformer(kind));
    for (const informer of this.#informers.values()) informer.start();
    this.#crds.start();
    if (kinds.length === 0) this.#checkSynced();
  }

  #kindInformer(kind: Kind): Informer {
    return this.#informer({
      resource: kind,
      pagewise: true,
      absentRetryMs: ABSENT_RETRY_MS,
      ...(kind === secretKind ? SECRETS : {}),
      ...(kind.namespaced ? { accepts: namespace => this.#view.accepts(namespace) } : {}),
      onChanges: changes => {
        this.#tell(changes.map(change => sourceChange(kind, change)));
        this.#checkSynced();
      },
    });
  }

  #informer(options: Omit<InformerOptions, "client" | "clock" | "random" | "log">): Informer {
    const { client, clock, random, log } = this.#options;
    return new Informer({ client, clock, random, log, ...options });
  }

  #checkSynced(): void {
    if (this.#synced || ![...this.#informers.values()].every(each => each.synced)) return;
    this.#synced = true;
    this.#sink?.onSynced();
  }

  #tell(changes: readonly SourceChange[]): void {
    if (changes.length > 0) this.#sink?.onChanges(changes);
  }

  #onMeshConfig(changes: readonly ObjectChange[]): void {
    for (const { object } of changes) {
      const data = object === undefined ? {} : objectAt(object, "data");
      const selectors = selectorsOf(stringAt(data, "mesh"));
      // Wrong ones are reported with the object; the last right ones stand.
      if (selectors !== undefined) this.#refresh(this.#view.setSelectors(selectors));
    }
    if (this.#options.kinds.includes(configMapKind))
      this.#tell(changes.map(change => sourceChange(configMapKind, change)));
    this.#startKinds();
  }

  #onNamespaces(changes: readonly ObjectChange[]): void {
    for (const { name, object } of changes) {
      const labels = object === undefined ? undefined : labelsOf(object);
      this.#refresh(this.#view.setLabels(name, labels));
    }
    this.#startKinds();
  }

  #refresh(namespaces: readonly string[]): void {
    if (namespaces.length > 0) this.#options.onViewChanged?.();
    for (const namespace of namespaces) {
      for (const informer of this.#informers.values()) informer.namespaceChanged(namespace);
    }
  }

  #onCrds(changes: readonly ObjectChange[]): void {
    for (const { name, object } of changes) {
      const read = this.#informers.get(name);
      if (object !== undefined) read?.wake();
      if (read !== undefined || !MESH_GROUPS.has(name.slice(name.indexOf(".") + 1))) continue;
      if (object === undefined) this.#unread.remove(name);
      else this.#unread.add(name);
    }
  }
}

/** The name of the CRD of a kind that has one. */
function crdName(kind: Kind): string {
  return `${kind.plural}.${kind.group}`;
}

function sourceChange(kind: Kind, { namespace, name, object }: ObjectChange): SourceChange {
  const trimmed = object === undefined ? undefined : trimObject(kind, object);
  return { kind, namespace, name, object: trimmed };
}

function labelsOf(object: Json): Readonly<Record<string, string>> {
  const labels = isObject(object) ? objectAt(objectAt(object, "metadata"), "labels") : {};
  const texts = Object.entries(labels).filter(
    (entry): entry is [string, string] => typeof entry[1] === "string",
  );
  return Object.fromEntries(texts);
}

/** undefined: they are not valid. */
function selectorsOf(meshConfig: string): readonly LabelSelector[] | undefined {
  const decoded = decodeYaml<readonly LabelSelector[]>(meshConfig, read => {
    const value = "value" in read ? (read.value ?? {}) : undefined;
    const selectors =
      value === undefined ? undefined : decodeDiscoverySelectors(isObject(value) ? value : {});
    return selectors === undefined
      ? { ok: false, diagnostics: [] }
      : { ok: true, value: selectors, diagnostics: [] };
  });
  return decoded.ok ? decoded.value : undefined;
}
