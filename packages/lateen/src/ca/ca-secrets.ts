/**
 * Follows the Secrets that hold the CA (`cacerts`, else `istio-ca-secret`) and offers what they say to
 * the authority in force, as Istio's control plane does with a mounted `cacerts`.
 */
import { secretKind } from "../api/secret/kind.ts";
import type { Clock } from "../base/clock.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import type { Log } from "../base/log.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { Informer } from "../sources/client/informer.ts";
import { objectAt } from "../sources/json.ts";
import { openAuthority } from "./authority.ts";
import type { LiveAuthority } from "./live-authority.ts";
import { caSecret, PLUGGED_CA_SECRET, SELF_SIGNED_CA_SECRET } from "./root.ts";

/** What was refused may be good later: certificates that are not valid yet. */
const AGAIN_MS = 60_000;

/** Of those who follow Secrets of the CA. */
export interface CaSecretsOptions {
  readonly client: ApiClient;
  /** Of the control plane. */
  readonly namespace: string;
  readonly authority: LiveAuthority;
  /** Of the identities that it signs. */
  readonly trustDomain?: string;
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: () => number;
  readonly log: Log;
}

export class CaSecrets {
  readonly #options: CaSecretsOptions;
  readonly #informers: readonly Informer[];
  /** Decoded data by name. */
  readonly #data = new Map<string, Readonly<Record<string, string>>>();
  #cancel: () => void = () => {};

  constructor(options: CaSecretsOptions) {
    this.#options = options;
    const { client, namespace, clock, random, log } = options;
    this.#informers = [PLUGGED_CA_SECRET, SELF_SIGNED_CA_SECRET].map(
      name =>
        new Informer({
          ...{ client, namespace, clock, random, log },
          resource: secretKind,
          fieldSelector: `metadata.name=${name}`,
          onChanges: changes => {
            for (const { object } of changes) {
              if (object === undefined) this.#data.delete(name);
              else this.#data.set(name, decodeSecretData(objectAt(object, "data")));
            }
            this.#consider();
          },
        }),
    );
  }

  /** The Secret that counts; undefined: none. */
  get inForce(): string | undefined {
    return [PLUGGED_CA_SECRET, SELF_SIGNED_CA_SECRET].find(name => this.#data.has(name));
  }

  start(): void {
    for (const informer of this.#informers) informer.start();
  }

  stop(): void {
    this.#cancel();
    for (const informer of this.#informers) informer.stop();
  }

  #consider(): void {
    this.#cancel();
    if (this.#informers.some(informer => !informer.synced)) return;
    const { authority, clock, trustDomain } = this.#options;
    const name = this.inForce;
    const data = name === undefined ? undefined : this.#data.get(name);
    if (name === undefined || data === undefined) {
      authority.refuse(
        `there is neither Secret ${PLUGGED_CA_SECRET} nor ${SELF_SIGNED_CA_SECRET} any more: ` +
          "put it back before the control plane starts again, or it makes another root",
      );
      return;
    }
    const opened = openAuthority(caSecret(data), clock.now(), trustDomain);
    if (opened.ok) authority.offer(opened.value);
    else authority.refuse(`Secret ${name}: ${opened.diagnostics.map(textOf).join("; ")}`);
    if (authority.state.phase === "refused")
      this.#cancel = clock.after(AGAIN_MS, () => this.#consider());
  }
}

function textOf({ path, message }: Diagnostic): string {
  return `${path} ${message}`;
}

/** Values in base64, as text. */
export function decodeSecretData(data: object): Record<string, string> {
  const decoded: Record<string, string> = {};
  for (const [key, value] of Object.entries(data)) {
    if (typeof value === "string") decoded[key] = Buffer.from(value, "base64").toString("utf8");
  }
  return decoded;
}
