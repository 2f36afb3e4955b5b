/**
 * Kubernetes' name rules (apimachinery's validation package) as checks: undefined when the text is
 * fine, otherwise what would be right.
 */
import type { StringCheck } from "./schema.ts";

const LABEL = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;
const LABEL_1035 = /^[a-z](?:[a-z0-9-]*[a-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;
const QUALIFIED = /^[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?$/;

export const MAX_LABEL = 63;
const MAX_SUBDOMAIN = 253;

export const dnsLabel: StringCheck = text =>
  text.length <= MAX_LABEL && LABEL.test(text)
    ? undefined
    : "a DNS label: lower-case letters, digits and '-', at most 63, no '-' at either end";

/** Names of Services: a DNS label that begins with a letter. */
export const dnsLabel1035: StringCheck = text =>
  text.length <= MAX_LABEL && LABEL_1035.test(text)
    ? undefined
    : "a DNS label that begins with a letter: lower-case letters, digits and '-', at most 63";

export const dnsSubdomain: StringCheck = text =>
  text.length <= MAX_SUBDOMAIN && SUBDOMAIN.test(text)
    ? undefined
    : "a DNS name: lower-case letters, digits, '-' and '.', at most 253";

/** Keys of labels and annotations: `name` or `dns.prefix/name`. */
export const qualifiedName: StringCheck = text => {
  const slash = text.indexOf("/");
  const prefix = text.slice(0, Math.max(slash, 0));
  const name = text.slice(slash + 1);
  const good =
    (slash < 0 || dnsSubdomain(prefix) === undefined) &&
    name.length <= MAX_LABEL &&
    QUALIFIED.test(name);
  return good ? undefined : "letters, digits, '-', '_' and '.', at most 63, or dns-name/that";
};

export const labelValue: StringCheck = text =>
  text === "" || (text.length <= MAX_LABEL && QUALIFIED.test(text))
    ? undefined
    : "letters, digits, '-', '_' and '.', at most 63, a letter or digit at both ends";

/** Keys of ConfigMaps and Secrets, which become file names. */
export const dataKey: StringCheck = text =>
  text.length <= MAX_SUBDOMAIN && /^[-._A-Za-z0-9]+$/.test(text) && text !== "." && text !== ".."
    ? undefined
    : "letters, digits, '-', '_' and '.', at most 253";

/** Names of container ports and targetPorts (IANA service names). */
export const portName: StringCheck = text =>
  /^[a-z0-9](?:[a-z0-9-]{0,13}[a-z0-9])?$/.test(text) && /[a-z]/.test(text) && !text.includes("--")
    ? undefined
    : "at most 15 lower-case letters, digits and single '-', with at least one letter";

export const envName: StringCheck = text =>
  text !== "" && /^[\x20-\x3c\x3e-\x7e]+$/.test(text)
    ? undefined
    : "printable ASCII characters without '='";

/** The check, for a text that may also be empty. */
export function orEmpty(check: StringCheck): StringCheck {
  return text => (text === "" ? undefined : check(text));
}
