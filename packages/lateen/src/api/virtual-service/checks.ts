/** Checks of single values in VirtualServices. */
import type { StringCheck } from "../schema.ts";
import { nearest } from "../suggest.ts";

/** Envoy's retry conditions (x-envoy-retry-on and x-envoy-retry-grpc-on). */
const RETRY_CONDITIONS = [
  "5xx",
  "gateway-error",
  "reset",
  "reset-before-request",
  "connect-failure",
  "envoy-ratelimited",
  "retriable-4xx",
  "refused-stream",
  "retriable-status-codes",
  "retriable-headers",
  "http3-post-connect-failure",
  "cancelled",
  "deadline-exceeded",
  "internal",
  "resource-exhausted",
  "unavailable",
];

/** Conditions separated by commas; an HTTP status is one, too. */
export const retryConditions: StringCheck = text => {
  if (text === "") return undefined;
  for (const raw of text.split(",")) {
    const one = raw.trim();
    if (RETRY_CONDITIONS.includes(one) || isStatus(one)) continue;
    const meant = nearest(one, RETRY_CONDITIONS);
    const hint = meant === undefined ? "" : `; did you mean ${meant}?`;
    return `HTTP status codes or Envoy's retry conditions (5xx, connect-failure, ...)${hint}`;
  }
  return undefined;
};

function isStatus(text: string): boolean {
  return /^\d{3}$/.test(text) && Number(text) >= 100 && Number(text) < 600;
}

/** A field name of HTTP, or a pseudo header. */
export const headerName: StringCheck = text =>
  /^:?[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(text) ? undefined : "the name of an HTTP header";
