/**
 * Writes reports into the objects' status through the API: what changed only, the newest state
 * only, a few at a time and never faster than a limit. Nothing waits for it.
 */
import type { JsonObject, Kind } from "../api/kind.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { TokenBucket } from "../base/token-bucket.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import type { Failed } from "../sources/status.ts";
import { desiredStatus, hasConditions, isRejected } from "./desired-status.ts";
import type { ReportChanges } from "./follow-reports.ts";
import type { KnownObject, StatusLedger } from "./ledger.ts";
import type { ObjectReport } from "./object-report.ts";

export interface StatusWriterOptions {
  readonly client: Pick<ApiClient, "patch">;
  readonly ledger: StatusLedger;
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: () => number;
  readonly log: Log;
}

/**
 * Whose statuses are ours to write. One replica leads all revisions, and writes of what every revision
 * sees; of what only one revision sees, a replica of that revision writes.
 */
export interface Leads {
  readonly mesh: boolean;
  readonly revision: boolean;
}

export const LEADS_ALL: Leads = { mesh: true, revision: true };
export const LEADS_NOTHING: Leads = { mesh: false, revision: false };

const MAX_IN_FLIGHT = 4;
/** Writes a second, after as many at once. */
const RATE = 50;
const MIN_BACKOFF_MS = 500;
const MAX_BACKOFF_MS = 60_000;
/** Proxies need a while to connect again; until then what they rejected before is taken for rejected. */
const REJECTIONS_STAND_MS = 60_000;
/** Trying again would not help: the object is gone, or may not be written. */
const HOPELESS: ReadonlySet<number> = new Set([400, 401, 403, 404, 405, 422]);
const CONFLICT = 409;

const NETWORKING = "networking.istio.io";

/** Kubernetes' own kinds have no `validationMessages`. */
function hasMessages(kind: Kind): boolean {
  return kind.group === NETWORKING;
}

/** Istio's kinds, and Services, whose fields the mesh carries out; all others belong to others. */
export function mayHaveStatus(kind: Kind): boolean {
  const isService = kind.group === "" && kind.kind === "Service";
  return (kind.group === NETWORKING || isService) && kind.subresources.includes("status");
}

export class StatusWriter {
  readonly #options: StatusWriterOptions;
  readonly #reports = new Map<string, ObjectReport>();
  /** Objects that wait, in order; what is written is decided when their turn comes. */
  readonly #queue = new Set<string>();
  readonly #busy = new Set<string>();
  /** Objects with rejections that we have heard of ourselves, so we also hear of their end. */
  readonly #heard = new Set<string>();
  #running = false;
  #leads: Leads = LEADS_NOTHING;
  #startedAt = 0;
  readonly #writes: TokenBucket;
  #failures = 0;
  #pausedUntil = 0;
  #cancelWake: (() => void) | undefined;
  #cancelStanding: () => void = () => {};
  #lastTrouble = "";

  constructor(options: StatusWriterOptions) {
    this.#options = options;
    this.#writes = new TokenBucket(RATE, RATE, options.clock.monotonic());
    options.ledger.onChange(key => this.#consider(key));
  }

  /**
   * Everything there was at the start must be known: the first reports come before this. Called again
   * when `leads` is something else.
   */
  start(leads: Leads = LEADS_ALL): void {
    const { clock, ledger } = this.#options;
    this.stop();
    this.#running = true;
    this.#leads = leads;
    this.#startedAt = clock.monotonic();
    for (const [key] of ledger.entries()) this.#consider(key);
    this.#cancelStanding = clock.after(REJECTIONS_STAND_MS, () => {
      for (const [key, { status }] of ledger.entries()) if (isRejected(status)) this.#consider(key);
    });
  }

  /** `start` begins anew. */
  stop(): void {
    this.#running = false;
    this.#cancelWake?.();
    this.#cancelWake = undefined;
    this.#cancelStanding();
    this.#queue.clear();
  }

  take(changes: ReportChanges): void {
    for (const [key, report] of changes) {
      if ((report?.rejections.length ?? 0) > 0) this.#heard.add(key);
      if (report === undefined) this.#reports.delete(key);
      else this.#reports.set(key, report);
      this.#consider(key);
    }
  }

  /** Objects that wait or are being written. */
  get pending(): number {
    return this.#queue.size + this.#busy.size;
  }

  #consider(key: string): void {
    if (!this.#running) return;
    const object = this.#options.ledger.get(key);
    if (object === undefined) this.#heard.delete(key);
    if (object === undefined || !this.#isOurs(object)) return;
    if (!this.#reports.has(key) && !hasConditions(object.status)) return;
    this.#queue.add(key);
    this.#pump();
  }

  #isOurs({ ofRevision }: KnownObject): boolean {
    return ofRevision ? this.#leads.revision : this.#leads.mesh;
  }

  #pump(): void {
    if (!this.#running) return;
    for (const key of this.#queue) {
      if (this.#busy.size >= MAX_IN_FLIGHT) return;
      if (this.#busy.has(key)) continue;
      const object = this.#options.ledger.get(key);
      const fields = object && this.#fieldsFor(key, object);
      if (object === undefined || fields === undefined) {
        this.#queue.delete(key);
        continue;
      }
      const wait = this.#waitMs();
      if (wait > 0) {
        this.#wakeIn(wait);
        return;
      }
      this.#queue.delete(key);
      this.#busy.add(key);
      void this.#write(key, object, fields);
    }
  }

  #fieldsFor(key: string, object: KnownObject): JsonObject | undefined {
    if (!this.#isOurs(object)) return undefined;
    const { kind, status, generation } = object;
    const { clock } = this.#options;
    const now = clock.now();
    const report = this.#reports.get(key);
    const early = clock.monotonic() < this.#startedAt + REJECTIONS_STAND_MS;
    if (early && isRejected(status) && !this.#heard.has(key)) return undefined;
    const withMessages = hasMessages(kind);
    return desiredStatus({ report, current: status, generation, withMessages, now });
  }

  async #write(key: string, object: KnownObject, fields: JsonObject): Promise<void> {
    const { client, ledger } = this.#options;
    const { kind, namespace, name, resourceVersion } = object;
    const patch = { metadata: { resourceVersion }, status: fields };
    const request = { subresource: "status" } as const;
    const result = await client.patch(kind, namespace, name, "merge", patch, request);
    this.#busy.delete(key);
    if (result.ok) {
      this.#failures = 0;
      this.#lastTrouble = "";
      // A newer version that the source told of in the meantime counts more than the answer.
      if (ledger.get(key)?.resourceVersion === resourceVersion) ledger.wrote(key, result.value);
    } else this.#failed(key, result);
    this.#pump();
  }

  #failed(key: string, { status }: Failed): void {
    const { clock, random, log } = this.#options;
    const { code, message = "" } = status;
    // The source will tell of the change that came in between.
    if (code === CONFLICT || code === 404) return;
    if (message !== this.#lastTrouble)
      log.warn("cannot write a status", { object: key, code, error: message });
    this.#lastTrouble = message;
    if (HOPELESS.has(code)) return;
    const ceiling = Math.min(MAX_BACKOFF_MS, MIN_BACKOFF_MS * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 10);
    this.#pausedUntil = clock.monotonic() + ceiling * (0.5 + random() / 2);
    this.#queue.add(key);
  }

  /** 0: now, and one write is taken. */
  #waitMs(): number {
    const now = this.#options.clock.monotonic();
    if (now < this.#pausedUntil) return this.#pausedUntil - now;
    return this.#writes.take(now) ? 0 : this.#writes.waitMs(now);
  }

  #wakeIn(ms: number): void {
    this.#cancelWake ??= this.#options.clock.after(ms, () => {
      this.#cancelWake = undefined;
      this.#pump();
    });
  }
}
