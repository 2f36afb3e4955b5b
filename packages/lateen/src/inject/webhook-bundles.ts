/**
 * Keeps the webhook configurations of this revision working: the root that signs our certificate as
 * their caBundle, and a validator that holds back what is wrong as soon as it has been seen to work
 * (until then it lets everything pass, as Istio's does).
 */
import type { Json, JsonObject } from "../api/kind.ts";
import { REVISION_LABEL } from "../api/revision-label.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { ApiClient, Resource } from "../sources/client/api-client.ts";
import { Informer, type ObjectChange } from "../sources/client/informer.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../sources/json.ts";
import { serviceName } from "./webhook-objects.ts";

export interface WebhookBundlesOptions {
  readonly client: ApiClient;
  readonly revision: string;
  /** Of the control plane. */
  readonly namespace: string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  /** PEM of every root that may have signed the webhook's certificate. */
  readonly roots: () => readonly string[];
}

const GROUP = { group: "admissionregistration.k8s.io", versions: ["v1"], namespaced: false };
const MUTATING: Resource = { ...GROUP, plural: "mutatingwebhookconfigurations" };
const VALIDATING: Resource = { ...GROUP, plural: "validatingwebhookconfigurations" };
const GATEWAYS: Resource = {
  group: "networking.istio.io",
  versions: ["v1"],
  plural: "gateways",
  namespaced: true,
};
const RETRY_MS = 1_000;
const RETRY_MS_MAX = 60_000;

export class WebhookBundles {
  readonly #options: WebhookBundlesOptions;
  readonly #informers: readonly Informer[];
  /** Names of what exists, by resource; patched again when the roots change. */
  readonly #objects = new Map<string, { readonly resource: Resource; object: JsonObject }>();
  #stopped = false;
  #working = false;
  #again = false;
  #retryMs = RETRY_MS;
  #cancel: () => void = () => {};

  constructor(options: WebhookBundlesOptions) {
    this.#options = options;
    this.#informers = [MUTATING, VALIDATING].map(
      resource =>
        new Informer({
          client: options.client,
          resource,
          labelSelector: `${REVISION_LABEL}=${options.revision}`,
          clock: options.clock,
          random: options.random,
          log: options.log,
          onChanges: changes => this.#take(resource, changes),
        }),
    );
  }

  start(): void {
    for (const informer of this.#informers) informer.start();
  }

  /** To be called when `roots` gives others. */
  rootsChanged(): void {
    void this.#reconcile();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
    for (const informer of this.#informers) informer.stop();
  }

  #take(resource: Resource, changes: readonly ObjectChange[]): void {
    for (const { name, object } of changes) {
      const key = `${resource.plural}/${name}`;
      if (object === undefined) this.#objects.delete(key);
      else this.#objects.set(key, { resource, object });
    }
    void this.#reconcile();
  }

  /** One pass at a time; what changes meanwhile gets another. Never rejects. */
  async #reconcile(): Promise<void> {
    if (this.#stopped) return;
    this.#again = true;
    if (this.#working) return;
    this.#working = true;
    this.#cancel();
    let complete = true;
    while (this.#again && !this.#stopped) {
      this.#again = false;
      complete = true;
      for (const { resource, object } of [...this.#objects.values()])
        complete = (await this.#repair(resource, object)) && complete;
    }
    this.#working = false;
    if (complete) this.#retryMs = RETRY_MS;
    else this.#retryLater();
  }

  #retryLater(): void {
    this.#cancel = this.#options.clock.after(this.#retryMs, () => void this.#reconcile());
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS_MAX);
  }

  /** False: not done yet, to be tried again. */
  async #repair(resource: Resource, object: JsonObject): Promise<boolean> {
    const { client, log, roots } = this.#options;
    const name = stringAt(objectAt(object, "metadata"), "name");
    const bundle = Buffer.from(roots().join("")).toString("base64");
    const failing = resource === VALIDATING && hasOpenWebhook(object, this.#isOurs);
    const works = failing && bundleIs(object, bundle, this.#isOurs) && (await this.#refuses());
    const webhooks = arrayAt(object, "webhooks").map(item =>
      isObject(item) && this.#isOurs(item) ? repaired(item, bundle, works) : item,
    );
    if (JSON.stringify(webhooks) !== JSON.stringify(arrayAt(object, "webhooks"))) {
      const { resourceVersion } = objectAt(object, "metadata");
      const patch = { metadata: { resourceVersion: resourceVersion ?? "" }, webhooks };
      const result = await client.patch(resource, "", name, "merge", patch);
      if (!result.ok) {
        // Changed by another: the watch brings the newer one.
        if (result.status.code === 404 || result.status.code === 409) return true;
        log.warn("webhook configuration can not be changed", { name, why: result.status.message });
        return false;
      }
      log.info("webhook configuration changed", { name, failurePolicy: works ? "Fail" : "kept" });
      return !failing || works;
    }
    return !failing;
  }

  /**
   * Only webhooks that lead to this control plane's Service: beside us others have theirs. A URL
   * instead of a Service says no more than the revision's label.
   */
  readonly #isOurs = (webhook: JsonObject): boolean => {
    const config = objectAt(webhook, "clientConfig");
    const service = objectAt(config, "service");
    const { namespace, revision } = this.#options;
    if (stringAt(config, "url") !== "") return true;
    return (
      stringAt(service, "namespace") === namespace &&
      stringAt(service, "name") === serviceName(revision)
    );
  };

  /** Whether a Gateway that no schema but only the validator refuses is held back. */
  async #refuses(): Promise<boolean> {
    const { client, namespace, revision } = this.#options;
    const probe = invalidGateway(namespace, revision);
    const result = await client.create(GATEWAYS, namespace, probe, { dryRun: true });
    return !result.ok && (result.status.message ?? "").includes("denied the request");
  }
}

/** The port says TLS, and no server can: a rule over several fields, which is in no CRD. */
export function invalidGateway(namespace: string, revision: string): JsonObject {
  return {
    apiVersion: "networking.istio.io/v1",
    kind: "Gateway",
    metadata: { name: "lateen-invalid", namespace, labels: { [REVISION_LABEL]: revision } },
    spec: { servers: [{ port: { number: 443, name: "https", protocol: "HTTPS" }, hosts: ["*"] }] },
  };
}

function repaired(webhook: JsonObject, caBundle: string, works: boolean): Json {
  return {
    ...webhook,
    clientConfig: { ...objectAt(webhook, "clientConfig"), caBundle },
    ...(works ? { failurePolicy: "Fail" } : {}),
  };
}

function hasOpenWebhook(object: JsonObject, isOurs: (webhook: JsonObject) => boolean): boolean {
  return arrayAt(object, "webhooks")
    .filter(isObject)
    .some(webhook => isOurs(webhook) && webhook["failurePolicy"] === "Ignore");
}

function bundleIs(
  object: JsonObject,
  caBundle: string,
  isOurs: (webhook: JsonObject) => boolean,
): boolean {
  return arrayAt(object, "webhooks")
    .filter(isObject)
    .filter(isOurs)
    .every(webhook => objectAt(webhook, "clientConfig")["caBundle"] === caBundle);
}
