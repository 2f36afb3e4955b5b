/**
 * Keeps a change of the CA that is on its way in a Secret (`lateen-ca-change`), and follows what other
 * replicas keep there. It holds what signed before for as long as that still signs, and goes with the change.
 */
import type { JsonObject } from "../api/kind.ts";
import { secretKind } from "../api/secret/kind.ts";
import type { Log } from "../base/log.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { Informer } from "../sources/client/informer.ts";
import { objectAt } from "../sources/json.ts";
import type { ApiResult } from "../sources/status.ts";
import {
  addsTo,
  CA_CHANGE_SECRET,
  type CaChange,
  decodeChange,
  encodeChange,
} from "./ca-change.ts";
import { type CaSecretsOptions, decodeSecretData } from "./ca-secrets.ts";
import { ROOT_SPREAD_MS } from "./live-authority.ts";
import { LIFETIME_MS } from "./workload-certs.ts";

const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 60_000;
/** Between two writes, whatever others do; what is over goes at once. */
const WRITE_MS_MIN = 1_000;
/** What was signed before has ended then: a change as old was left behind by a mesh that is gone. */
const KEPT_MS_MAX = LIFETIME_MS + ROOT_SPREAD_MS;
const FORBIDDEN = 403;
const NOT_FOUND = 404;
const CONFLICT = 409;

/**
 * For a control plane that starts: the change in whose middle it does. Throws where the API does not
 * answer; who may not read the Secret knows of none.
 */
export async function keptChange(
  client: Pick<ApiClient, "get">,
  namespace: string,
  now: number,
  log: Log,
): Promise<CaChange | undefined> {
  const found = await client.get(secretKind, namespace, CA_CHANGE_SECRET);
  if (found.ok) return readChange(decodeSecretData(objectAt(found.value, "data")), now, log);
  const { code, message = "" } = found.status;
  if (code === FORBIDDEN) log.warn(`Secret ${CA_CHANGE_SECRET} is not read`, { error: message });
  else if (code !== NOT_FOUND) throw new Error(`Secret ${CA_CHANGE_SECRET}: ${message}`);
  return undefined;
}

function readChange(
  data: Readonly<Record<string, string>>,
  now: number,
  log: Log,
): CaChange | undefined {
  const read = decodeChange(data);
  if (read.ok) {
    const { roots, switchedAt } = read.value;
    const newest = Math.max(switchedAt, ...roots.values());
    if (now - newest <= KEPT_MS_MAX) return read.value;
    const since = new Date(newest).toISOString();
    log.warn(`Secret ${CA_CHANGE_SECRET} is too old: the change in it is not taken up`, { since });
    return undefined;
  }
  const error = read.diagnostics.map(({ path, message }) => `${path} ${message}`).join("; ");
  log.warn(`Secret ${CA_CHANGE_SECRET} is not read`, { error });
  return undefined;
}

interface Seen {
  readonly object: JsonObject;
  readonly data: Readonly<Record<string, string>>;
  readonly change: CaChange | undefined;
}

export class CaChangeKeeper {
  readonly #options: CaSecretsOptions;
  readonly #informer: Informer;
  #seen: Seen | undefined;
  /** The last one that was seen, also when it is gone. */
  #last: CaChange | undefined;
  /** As text, of what was written last: it is nothing new when it is seen. */
  #written = "";
  #isBusy = false;
  #isDue = false;
  #failures = 0;
  #nextWriteAt = 0;
  #stopped = false;
  #cancel: () => void = () => {};
  #unlisten: () => void = () => {};

  constructor(options: CaSecretsOptions) {
    this.#options = options;
    const { client, namespace, clock, random, log } = options;
    this.#informer = new Informer({
      ...{ client, namespace, clock, random, log },
      resource: secretKind,
      fieldSelector: `metadata.name=${CA_CHANGE_SECRET}`,
      optional: true,
      onChanges: changes => {
        for (const { object } of changes) this.#take(object);
        this.#consider();
      },
    });
  }

  start(): void {
    this.#unlisten = this.#options.authority.onMoved(() => this.#consider());
    this.#informer.start();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
    this.#unlisten();
    this.#informer.stop();
  }

  #take(object: JsonObject | undefined): void {
    const { authority, clock, log } = this.#options;
    if (object === undefined) {
      this.#seen = undefined;
      authority.learnNone();
      return;
    }
    const data = decodeSecretData(objectAt(object, "data"));
    const isOwn = textOf(data) === this.#written;
    const change = readChange(data, clock.now(), log);
    this.#seen = { object, data, change };
    this.#last = change ?? this.#last;
    if (change !== undefined && !isOwn) authority.learn(change);
  }

  #consider(): void {
    if (!this.#informer.synced || this.#stopped) return;
    this.#isDue = true;
    if (this.#isBusy) return;
    this.#isBusy = true;
    void this.#work().finally(() => {
      this.#isBusy = false;
    });
  }

  async #work(): Promise<void> {
    while (this.#isDue && !this.#stopped) {
      this.#isDue = false;
      const answer = await this.#writeOnce();
      if (answer === "later") return;
      if (answer === undefined || answer.ok) this.#failures = 0;
      else await this.#failed(answer);
    }
  }

  /** undefined: nothing to do. */
  async #writeOnce(): Promise<ApiResult<JsonObject> | "later" | undefined> {
    const { client, namespace, authority } = this.#options;
    const seen = this.#seen;
    const change = authority.change;
    if (change === undefined) {
      if (seen === undefined) return undefined;
      const resourceVersion = String(objectAt(seen.object, "metadata")["resourceVersion"]);
      return client.delete(secretKind, namespace, CA_CHANGE_SECRET, { resourceVersion });
    }
    const next = withIssuerOf(change, seen?.change);
    if (!this.#isNews(next)) return undefined;
    if (this.#isTooSoon()) return "later";
    const data = encodeChange(next);
    this.#written = textOf(data);
    const encoded = Object.fromEntries(
      Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString("base64")]),
    );
    if (seen !== undefined) return client.update(secretKind, { ...seen.object, data: encoded });
    return client.create(secretKind, namespace, {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: CA_CHANGE_SECRET, namespace },
      type: "Opaque",
      data: encoded,
    });
  }

  #isNews(next: CaChange): boolean {
    if (this.#seen !== undefined)
      return this.#seen.change === undefined || addsTo(next, this.#seen.change);
    // For another one it was over: not made again for what that one has known, unless somebody waits.
    return this.#last === undefined || next.issuer !== undefined || addsTo(next, this.#last);
  }

  #isTooSoon(): boolean {
    const { clock } = this.#options;
    const now = clock.monotonic();
    const wait = this.#nextWriteAt - now;
    if (wait <= 0) {
      this.#nextWriteAt = now + WRITE_MS_MIN;
      return false;
    }
    this.#cancel();
    this.#cancel = clock.after(wait, () => this.#consider());
    return true;
  }

  async #failed({ status }: Extract<ApiResult<JsonObject>, { ok: false }>): Promise<void> {
    const { client, namespace, clock, random, log } = this.#options;
    if (status.code === CONFLICT || status.code === NOT_FOUND) {
      // Another replica was first. Not from the watch, which may tell later.
      const now = await client.get(secretKind, namespace, CA_CHANGE_SECRET);
      if (now.ok) this.#take(now.value);
      else if (now.status.code === NOT_FOUND) this.#take(undefined);
    } else if (this.#failures === 0)
      log.warn("a change of the CA can not be kept: a restart would take the newest at once", {
        error: status.message ?? "",
      });
    const ceiling = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 10);
    this.#cancel();
    this.#cancel = clock.after(ceiling * (0.5 + random() / 2), () => this.#consider());
  }
}

/** What signs is kept as long as somebody waits with it, also by who has not seen yet what comes. */
function withIssuerOf(change: CaChange, seen: CaChange | undefined): CaChange {
  const issuer = change.issuer ?? (seen?.issuerId === change.issuerId ? seen.issuer : undefined);
  return { ...change, issuer };
}

function textOf(data: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.entries(data).sort(([a], [b]) => (a < b ? -1 : 1)));
}
