/** The webhooks of a control plane on Kubernetes: what injects and validates, and what keeps that up. */
import { configMapKind } from "../api/config-map/kind.ts";
import type { Clock } from "../base/clock.ts";
import type { Result } from "../base/diagnostic.ts";
import type { Log } from "../base/log.ts";
import type { LiveAuthority } from "../ca/live-authority.ts";
import type { ServerCertificate } from "../ca/server-cert.ts";
import { type ClusterFeatures, featuresOf } from "../inject/cluster-features.ts";
import { type InjectorConfig, readInjectorConfig } from "../inject/config.ts";
import { WebhookBundles } from "../inject/webhook-bundles.ts";
import { serveWebhooks, type WebhookServerOptions } from "../inject/webhook-server.ts";
import { unknownValues } from "../install/known-paths.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { Informer } from "../sources/client/informer.ts";
import { objectAt, stringAt } from "../sources/json.ts";
import type { Endpoint } from "./discovery-options.ts";

export interface WebhooksOptions {
  readonly endpoint: Endpoint;
  readonly client: ApiClient;
  readonly namespace: string;
  readonly revision: string;
  readonly version: string;
  readonly certificate: ServerCertificate;
  readonly authority: LiveAuthority;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly onReview: NonNullable<WebhookServerOptions["onReview"]>;
}

export interface RunningWebhooks {
  readonly port: number;
  stop(): Promise<void>;
}

/** Clusters are upgraded while we run. */
const VERSION_MS = 10 * 60_000;
const VERSION_RETRY_MS = 5_000;

/** Rejects when the address can not be had. */
export async function startWebhooks(options: WebhooksOptions): Promise<RunningWebhooks> {
  const { client, namespace, revision, version, certificate, authority, clock, log, random } =
    options;
  const configuration = new InjectorConfiguration(options);
  const cluster = new ClusterVersion(client, clock);
  const injector = () => ({ config: configuration.current, features: cluster.features, version });
  const { certificatePem: cert, privateKeyPem: key } = certificate.current();
  const server = await serveWebhooks({
    ...options.endpoint,
    tls: { cert, key },
    log: log.scope("webhook"),
    injector,
    onReview: options.onReview,
  });
  const unlisten = certificate.onRenewed(renewed =>
    server.setTls({ cert: renewed.certificatePem, key: renewed.privateKeyPem }),
  );
  const bundles = new WebhookBundles({
    client,
    revision,
    namespace,
    clock,
    random,
    log: log.scope("webhook"),
    roots: () => authority.roots,
  });
  const stopFollowing = authority.onChanged(({ roots }) => {
    if (roots) bundles.rootsChanged();
  });
  configuration.start();
  cluster.start();
  bundles.start();
  return {
    port: server.port,
    async stop() {
      stopFollowing();
      bundles.stop();
      cluster.stop();
      configuration.stop();
      unlisten();
      await server.close(500);
    },
  };
}

/** ConfigMaps `istio-sidecar-injector` and `istio` of the revision, read again when they change. */
class InjectorConfiguration {
  readonly #options: WebhooksOptions;
  readonly #informers: readonly Informer[];
  readonly #data = new Map<string, Readonly<Record<string, unknown>>>();
  readonly #injectorMap: string;
  readonly #meshMap: string;
  #read: Result<InjectorConfig> | undefined;

  constructor(options: WebhooksOptions) {
    this.#options = options;
    const { revision, client, namespace, clock, random, log } = options;
    const suffix = revision === "default" ? "" : `-${revision}`;
    this.#injectorMap = `istio-sidecar-injector${suffix}`;
    this.#meshMap = `istio${suffix}`;
    this.#informers = [this.#injectorMap, this.#meshMap].map(
      name =>
        new Informer({
          client,
          resource: configMapKind,
          namespace,
          fieldSelector: `metadata.name=${name}`,
          clock,
          random,
          log: log.scope("webhook"),
          onChanges: changes => {
            for (const { object } of changes) {
              if (object === undefined) this.#data.delete(name);
              else this.#data.set(name, objectAt(object, "data"));
            }
            this.#read = undefined;
          },
        }),
    );
  }

  start(): void {
    for (const informer of this.#informers) informer.start();
  }

  stop(): void {
    for (const informer of this.#informers) informer.stop();
  }

  get current(): Result<InjectorConfig> {
    this.#read ??= this.#readNow();
    return this.#read;
  }

  #readNow(): Result<InjectorConfig> {
    const text = (name: string, key: string): string => {
      const value = this.#data.get(name)?.[key];
      return typeof value === "string" ? value : "";
    };
    if (!this.#data.has(this.#injectorMap)) return this.#missing();
    const read = readInjectorConfig({
      config: text(this.#injectorMap, "config"),
      values: text(this.#injectorMap, "values"),
      mesh: text(this.#meshMap, "mesh"),
    });
    const unknown = read.ok ? unknownValues(read.value.rawValues) : [];
    for (const { severity, path, message } of [...read.diagnostics, ...unknown])
      this.#options.log.warn("injector configuration", { severity, path, message });
    if (!read.ok) return read;
    const { revision } = this.#options;
    return { ...read, value: { ...read.value, revision } };
  }

  #missing(): Result<InjectorConfig> {
    const where = `ConfigMap ${this.#injectorMap} in namespace ${this.#options.namespace}`;
    const synced = this.#informers.every(informer => informer.synced);
    const message = synced ? `there is no ${where}` : `${where} is not read yet: try again`;
    return {
      ok: false,
      diagnostics: [{ severity: "error", path: "", message, reason: "Missing" }],
    };
  }
}

/** What GET /version says; until it answers, what every supported Kubernetes can. */
class ClusterVersion {
  readonly #client: ApiClient;
  readonly #clock: Clock;
  #cancel: () => void = () => {};
  features: ClusterFeatures = { nativeSidecars: true, sleepAction: true };

  constructor(client: ApiClient, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  start(): void {
    void this.#ask();
  }

  stop(): void {
    this.#cancel();
    this.#cancel = () => {};
  }

  async #ask(): Promise<void> {
    const answer = await this.#client.send("GET", "/version");
    if (answer.ok) {
      const { value } = answer;
      this.features = featuresOf({
        major: stringAt(value, "major"),
        minor: stringAt(value, "minor"),
      });
    }
    const wait = answer.ok ? VERSION_MS : VERSION_RETRY_MS;
    this.#cancel = this.#clock.after(wait, () => void this.#ask());
  }
}
