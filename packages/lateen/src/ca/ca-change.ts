/**
 * A change of the CA that is on its way, as a Secret holds it: a control plane that starts in its middle, or
 * another replica, takes it up where it is instead of taking the newest material at once.
 */
import type { Result } from "../base/diagnostic.ts";
import { Redacted } from "../base/redacted.ts";
import { type CaSecret, certificatesIn, type OpenedAuthority, openAuthority } from "./authority.ts";

/** There only while a change is on its way. */
export const CA_CHANGE_SECRET = "lateen-ca-change";
const TIMES_FIELD = "times.json";
/** Its own, beside those that are given out: of these it may be that none, or more than it can have, lead to it. */
const ISSUER_ROOTS_FIELD = "issuer-root-cert.pem";
const TEXT_LENGTH_MAX = 256 * 1024;
const ROOTS_MAX = 20;
const ISSUER_ID = /^[0-9A-F: ]{1,4000}$/;

export interface CaChange {
  /**
   * Roots that are given out, PEM, with the time since when (milliseconds; 0: long since). By the clock of
   * whoever was last: for others it may be yet to come.
   */
  readonly roots: ReadonlyMap<string, number>;
  /** When the issuer became another one; 0: long since. */
  readonly switchedAt: number;
  /** `issuerId` of what signs. */
  readonly issuerId: string;
  /** What signs, until what the CA's Secret holds is trusted; undefined: that signs. */
  readonly issuer: Redacted<CaSecret> | undefined;
}

/** The Secret's data, as text; roots in an order that is the same whoever writes. */
export function encodeChange(change: CaChange): Record<string, string> {
  const { roots, switchedAt, issuerId, issuer } = change;
  const sorted = [...roots].sort(([a], [b]) => (a < b ? -1 : 1));
  const times = { since: sorted.map(([, since]) => since), switchedAt, issuer: issuerId };
  const own = issuer?.reveal();
  return {
    [TIMES_FIELD]: JSON.stringify(times),
    "root-cert.pem": sorted.map(([root]) => root).join(""),
    ...(own && {
      "ca-cert.pem": own["ca-cert.pem"],
      "ca-key.pem": own["ca-key.pem"],
      "cert-chain.pem": own["cert-chain.pem"],
      [ISSUER_ROOTS_FIELD]: own["root-cert.pem"],
    }),
  };
}

export function decodeChange(data: Readonly<Record<string, string>>): Result<CaChange> {
  const rootsPem = data["root-cert.pem"] ?? "";
  const times = parsedTimes(data[TIMES_FIELD] ?? "");
  if (times === undefined) return failed(TIMES_FIELD, "holds no times of a change");
  const roots = rootsPem.length > TEXT_LENGTH_MAX ? [] : readable(rootsPem);
  if (roots.length !== times.since.length || roots.length === 0 || roots.length > ROOTS_MAX)
    return failed("root-cert.pem", `expected ${times.since.length} roots, at most ${ROOTS_MAX}`);
  const hasIssuer = (data["ca-key.pem"] ?? "") !== "";
  const value: CaChange = {
    roots: new Map(roots.map((root, index) => [root, times.since[index] ?? 0])),
    switchedAt: times.switchedAt,
    issuerId: times.issuer,
    issuer: hasIssuer
      ? new Redacted({
          "ca-cert.pem": data["ca-cert.pem"] ?? "",
          "ca-key.pem": data["ca-key.pem"] ?? "",
          "cert-chain.pem": data["cert-chain.pem"] ?? "",
          "root-cert.pem": data[ISSUER_ROOTS_FIELD] ?? "",
        })
      : undefined,
  };
  return { ok: true, value, diagnostics: [] };
}

/** What signed when the change was kept, if it still can; undefined: nothing of it is kept. */
export function openIssuer(change: CaChange, now: number): Result<OpenedAuthority> | undefined {
  const opened = change.issuer && openAuthority(change.issuer.reveal(), now);
  if (opened?.ok === true && opened.value.issuerId !== change.issuerId)
    return failed("ca-cert.pem", "is not of the CA that times.json names");
  return opened;
}

/** Whether `own` says what `seen` does not. Only that is written, or two that disagree write in turn. */
export function addsTo(own: CaChange, seen: CaChange): boolean {
  const isLater = [...own.roots].some(([root, since]) => since > (seen.roots.get(root) ?? -1));
  if (isLater || own.switchedAt > seen.switchedAt) return true;
  const isSame = own.issuerId === seen.issuerId;
  return isSame && own.issuer !== undefined && seen.issuer === undefined;
}

interface Times {
  readonly since: readonly number[];
  readonly switchedAt: number;
  readonly issuer: string;
}

function parsedTimes(text: string): Times | undefined {
  if (text.length > TEXT_LENGTH_MAX) return undefined;
  try {
    const { since, switchedAt, issuer } = Object(JSON.parse(text)) as Record<string, unknown>;
    if (!Array.isArray(since) || !since.every(isTime) || !isTime(switchedAt)) return undefined;
    if (typeof issuer !== "string" || !ISSUER_ID.test(issuer)) return undefined;
    return { since, switchedAt, issuer };
  } catch {
    return undefined;
  }
}

function isTime(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function readable(pem: string): readonly string[] {
  try {
    return certificatesIn(pem).map(each => each.toString());
  } catch {
    return [];
  }
}

function failed(field: string, message: string): Result<never> {
  const path = `data["${field}"]`;
  const reason = "InvalidCaChange";
  return { ok: false, diagnostics: [{ severity: "error", path, message, reason }] };
}
