/**
 * Whether Istio's control plane runs in the same cluster: Deployments with its label `app=istiod` that are
 * not Lateen's. What there is one of in a cluster is then Istio's to write. A label is written by whoever
 * may write a Deployment anywhere, so it counts only in our own namespace, and where a webhook for
 * injection leads, which takes an administrator of the cluster.
 */
import type { JsonObject } from "../../api/kind.ts";
import { CONTROL_PLANE_LABEL, REVISION_LABEL, TAG_LABEL } from "../../api/revision-label.ts";
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { ApiClient, Resource } from "../client/api-client.ts";
import { Informer, type ObjectChange } from "../client/informer.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../json.ts";

const DEPLOYMENTS: Resource = {
  group: "apps",
  versions: ["v1"],
  plural: "deployments",
  namespaced: true,
};
/** Of every control plane, Istio's and ours. */
export const CONTROL_PLANES = "app=istiod";

const WEBHOOKS: Resource = {
  group: "admissionregistration.k8s.io",
  versions: ["v1"],
  plural: "mutatingwebhookconfigurations",
  namespaced: false,
};
/** Istio's label of what injects. */
const INJECTORS = "app=sidecar-injector";

export interface OtherControlPlanesOptions {
  readonly client: ApiClient;
  /** Of this control plane. */
  readonly namespace: string;
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: () => number;
  readonly log: Log;
  /** Told when `present`, `runsIn` or `injectorOf` say something else. */
  readonly onChange: () => void;
}

/** Where a webhook for injection leads, and for which revision or tag; "": for none. */
interface Injector {
  readonly namespaces: readonly string[];
  readonly name: string;
}

export class OtherControlPlanes {
  readonly #options: OtherControlPlanesOptions;
  readonly #informers: readonly Informer[];
  /** `namespace/name` of those that are Istio's by their labels. */
  readonly #labelled = new Set<string>();
  /** Of our own kind, the same. */
  readonly #own = new Set<string>();
  readonly #led = new Map<string, Injector>();
  #present: boolean | undefined;
  #told = "";

  constructor(options: OtherControlPlanesOptions) {
    this.#options = options;
    const { client, clock, random, log } = options;
    // Who may not look for them knows of none.
    const common = { client, optional: true, clock, random, log } as const;
    this.#informers = [
      new Informer({
        ...common,
        resource: DEPLOYMENTS,
        labelSelector: CONTROL_PLANES,
        onChanges: changes => this.#takeDeployments(changes),
      }),
      new Informer({
        ...common,
        resource: WEBHOOKS,
        labelSelector: INJECTORS,
        onChanges: changes => this.#takeWebhooks(changes),
      }),
    ];
  }

  start(): void {
    for (const informer of this.#informers) informer.start();
  }

  stop(): void {
    for (const informer of this.#informers) informer.stop();
  }

  /** undefined: not known yet. */
  get present(): boolean | undefined {
    return this.#present;
  }

  /** Whether a control plane of Lateen's is in this namespace, also one that is scaled to nothing. */
  runsIn(namespace: string): boolean {
    if (namespace === this.#options.namespace) return true;
    return this.#believed().has(namespace) && namespacesIn(this.#own).has(namespace);
  }

  /**
   * The namespace of the control plane that injects where a namespace has these labels: `istio-injection`
   * means revision or tag `default`, before `istio.io/rev` (Istio's injection rules). undefined: none, or
   * several.
   */
  injectorOf(labels: JsonObject): string | undefined {
    const injection = labels["istio-injection"];
    const name = injection === undefined ? stringAt(labels, REVISION_LABEL) : "default";
    if (name === "" || (injection !== undefined && injection !== "enabled")) return undefined;
    const found = [...this.#led.values()].filter(each => each.name === name);
    const namespaces = new Set(found.flatMap(each => each.namespaces));
    const [only] = namespaces;
    return namespaces.size === 1 ? only : undefined;
  }

  #takeDeployments(changes: readonly ObjectChange[]): void {
    for (const { namespace, name, object } of changes) {
      const key = `${namespace}/${name}`;
      this.#labelled.delete(key);
      this.#own.delete(key);
      if (object === undefined) continue;
      if (!isOther(object)) this.#own.add(key);
      else if (isWanted(object)) this.#labelled.add(key);
    }
    this.#consider();
  }

  #takeWebhooks(changes: readonly ObjectChange[]): void {
    for (const { name, object } of changes) {
      if (object === undefined) this.#led.delete(name);
      else
        this.#led.set(name, {
          namespaces: webhookNamespaces(object),
          name: isDeactivated(object) ? "" : injectedName(object),
        });
    }
    this.#consider();
  }

  #believed(): ReadonlySet<string> {
    const led = [...this.#led.values()].flatMap(each => each.namespaces);
    return new Set([this.#options.namespace, ...led]);
  }

  #consider(): void {
    if (this.#informers.some(informer => !informer.synced)) return;
    const { log, onChange } = this.#options;
    const believed = this.#believed();
    const found = [...this.#labelled].filter(key => believed.has(namespaceOf(key)));
    const present = found.length > 0;
    const before = this.#present;
    if (present !== before && (present || before === true))
      log.info(present ? "beside another control plane" : "no other control plane any more", {
        deployments: found.sort().join(", "),
      });
    this.#present = present;
    const told = JSON.stringify([present, [...this.#own].sort(), [...this.#led].sort()]);
    if (told === this.#told) return;
    this.#told = told;
    onChange();
  }
}

const namespaceOf = (key: string): string => key.slice(0, key.indexOf("/"));

function namespacesIn(keys: ReadonlySet<string>): ReadonlySet<string> {
  return new Set([...keys].map(namespaceOf));
}

/** The tag of a webhook configuration, else its revision. */
function injectedName(configuration: JsonObject): string {
  const labels = objectAt(objectAt(configuration, "metadata"), "labels");
  return stringAt(labels, TAG_LABEL) || stringAt(labels, REVISION_LABEL);
}

/** Namespaces of the Services that a webhook configuration leads to. */
export function webhookNamespaces(configuration: JsonObject): readonly string[] {
  return arrayAt(configuration, "webhooks")
    .filter(isObject)
    .map(each => stringAt(objectAt(objectAt(each, "clientConfig"), "service"), "namespace"))
    .filter(namespace => namespace !== "");
}

/** Whether a webhook configuration is kept, and called for nothing (Istio's way to take a tag away). */
export function isDeactivated(configuration: JsonObject): boolean {
  return arrayAt(configuration, "webhooks")
    .filter(isObject)
    .every(each => "istio.io/deactivated" in matchLabels(each));
}

function matchLabels(webhook: JsonObject): JsonObject {
  return objectAt(objectAt(webhook, "objectSelector"), "matchLabels");
}

/** Of Deployments with the label `app=istiod`. */
export function isOther(deployment: JsonObject): boolean {
  const labels = objectAt(objectAt(deployment, "metadata"), "labels");
  return labels[CONTROL_PLANE_LABEL] === undefined;
}

/** One that is scaled to nothing is switched off; one that does not come up will. */
function isWanted(deployment: JsonObject): boolean {
  return objectAt(deployment, "spec")["replicas"] !== 0;
}

/** Asked once; rejects where the API server does not say. `namespace` is that of this control plane. */
export async function hasOtherControlPlane(
  client: Pick<ApiClient, "list">,
  namespace: string,
): Promise<boolean> {
  const deployments = await listed(client, DEPLOYMENTS, CONTROL_PLANES);
  const others = deployments.filter(item => isOther(item) && isWanted(item));
  if (others.length === 0) return false;
  const webhooks = await listed(client, WEBHOOKS, INJECTORS);
  const believed = new Set([namespace, ...webhooks.flatMap(webhookNamespaces)]);
  return others.some(item => believed.has(stringAt(objectAt(item, "metadata"), "namespace")));
}

async function listed(
  client: Pick<ApiClient, "list">,
  resource: Resource,
  labelSelector: string,
): Promise<readonly JsonObject[]> {
  const list = await client.list(resource, { labelSelector });
  if (!list.ok) throw new Error(`${resource.plural} can not be listed: ${list.status.message}`);
  return list.value.items;
}
