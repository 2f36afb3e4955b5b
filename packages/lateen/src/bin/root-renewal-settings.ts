/** How the mesh's own root is renewed, from Istio's environment variables. */
import { parseDurationMs } from "../api/duration.ts";
import type { RootRenewalSettings } from "../ca/root-renewal.ts";
import { UserError } from "../cli/command.ts";

const CHECK = "CITADEL_SELF_SIGNED_ROOT_CERT_CHECK_INTERVAL";
const GRACE = "CITADEL_SELF_SIGNED_ROOT_CERT_GRACE_PERIOD_PERCENTILE";
const LIFETIME = "CITADEL_SELF_SIGNED_CA_CERT_TTL";
/** Beyond the year 9999 no certificate can say when it ends. */
const LIFETIME_MS_MAX = 100 * 365 * 24 * 3_600_000;
const LIFETIME_MS_MIN = 60_000;

/** Throws UserError where a value can not be read. What is not set is not in the result. */
export function rootRenewalFrom(
  env: Readonly<Record<string, string | undefined>>,
): Partial<RootRenewalSettings> {
  const checkMs = durationOf(env, CHECK, 0);
  const lifetimeMs = durationOf(env, LIFETIME, LIFETIME_MS_MIN);
  const gracePercent = percentOf(env);
  return {
    ...(checkMs === undefined ? {} : { checkMs }),
    ...(lifetimeMs === undefined ? {} : { lifetimeMs }),
    ...(gracePercent === undefined ? {} : { gracePercent }),
  };
}

function durationOf(
  env: Readonly<Record<string, string | undefined>>,
  name: string,
  leastMs: number,
): number | undefined {
  const text = env[name];
  if (text === undefined || text === "") return undefined;
  const ms = parseDurationMs(text);
  if (ms !== undefined && ms >= leastMs && ms <= LIFETIME_MS_MAX) return ms;
  throw new UserError(`${name}: "${text}" is no duration that can be used; expected e.g. 1h30m`);
}

function percentOf(env: Readonly<Record<string, string | undefined>>): number | undefined {
  const text = env[GRACE];
  if (text === undefined || text === "") return undefined;
  const percent = Number(text);
  if (percent >= 1 && percent <= 99) return percent;
  throw new UserError(`${GRACE}: "${text}"; expected a number from 1 to 99`);
}
