/** Istio's rules for host names, addresses and visibility (istio: pkg/config/validation, agent). */
import { isIP } from "node:net";
import { dnsLabel, dnsSubdomain } from "../names.ts";
import type { StringCheck } from "../schema.ts";

const MAX_HOST = 255;
const HOST_LABEL = /^[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?$/;
const MAX_LABEL = 63;

/** A host name without wildcard: labels, the last one not a number; one trailing dot is fine. */
export const fqdn: StringCheck = text =>
  text !== "" && text.length <= MAX_HOST && areLabels(text.split("."))
    ? undefined
    : "a host name such as reviews or reviews.default.svc.cluster.local";

/** The same, or with `*` as first label or at its beginning (`*-api.example.com`, `*x`). */
export const wildcardHost: StringCheck = text => {
  const wanted = 'a host name such as reviews.default.svc.cluster.local, "*.example.com" or "*"';
  if (text === "" || text.length > MAX_HOST) return wanted;
  const [first = "", ...rest] = text.split(".");
  const label = first === "*" ? "" : first.replace(/^\*-?/, "");
  const goodFirst = label === "" ? first === "*" : isLabel(label);
  const goodRest = rest.length === 0 || areLabels(rest);
  const number = rest.length === 0 && /^\d+$/.test(label);
  return goodFirst && goodRest && !number ? undefined : wanted;
};

/** What was not always checked of it: the wildcard counts as a part of the label. */
const shortWildcard: StringCheck = text => {
  const [first = ""] = text.split(".");
  return first.length <= MAX_LABEL || !first.startsWith("*")
    ? undefined
    : `at most ${MAX_LABEL} characters up to the first dot (found ${first.length})`;
};

export const WILDCARD_HOST = { check: wildcardHost, checkNew: shortWildcard };

/** The same for `namespace/host`. */
export const shortWildcardBehind: StringCheck = text =>
  shortWildcard(text.slice(text.indexOf("/") + 1));

export const wildcardHostOrIp: StringCheck = text =>
  isIP(text) === 0 ? wildcardHost(text) : undefined;

export const WILDCARD_HOST_OR_IP = { check: wildcardHostOrIp, checkNew: shortWildcard };

export const fqdnOrIp: StringCheck = text => (isIP(text) === 0 ? fqdn(text) : undefined);

/** An IP address or `address/prefix length`. */
export const ipOrCidr: StringCheck = text => {
  const [address = "", prefix, ...more] = text.split("/");
  const family = isIP(address);
  const bits = family === 4 ? 32 : 128;
  const goodPrefix = prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits);
  return family !== 0 && goodPrefix && more.length === 0
    ? undefined
    : "an IP address or a CIDR such as 10.0.0.0/8";
};

/** Names of subsets and ports: they become part of names of clusters. */
export const istioLabel: StringCheck = text =>
  isLabel(text) ? undefined : "a DNS label: letters, digits and '-', at most 63";

/** `mesh`, `name` or `namespace/name` of a Gateway. */
export const gatewayReference: StringCheck = text => {
  const [first = "", second, ...more] = text.split("/");
  const single = second === undefined && dnsSubdomain(first) === undefined;
  const pair =
    second !== undefined && dnsLabel(first) === undefined && dnsSubdomain(second) === undefined;
  return single || (pair && more.length === 0)
    ? undefined
    : "mesh, the name of a Gateway, or namespace/name";
};

/** Entries of exportTo. */
export const visibility: StringCheck = text =>
  text === "*" || text === "." || dnsLabel(text) === undefined
    ? undefined
    : '"*" (all), "." (its own namespace) or the name of a namespace';

/** Entries of a ServiceEntry's exportTo: it may be for nobody but its own workloads. */
export const serviceVisibility: StringCheck = text =>
  text === "~" ? undefined : visibility(text) && `${visibility(text)}, or "~" (none)`;

function areLabels(parts: readonly string[]): boolean {
  const labels = parts.at(-1) === "" && parts.length > 1 ? parts.slice(0, -1) : parts;
  return labels.every(isLabel) && !/^\d+$/.test(parts.at(-1) ?? "");
}

function isLabel(text: string): boolean {
  return text.length <= MAX_LABEL && HOST_LABEL.test(text);
}

/** A wildcard that is no whole label: HTTP finds it by its header, TLS can not by its server name. */
export function isPartialWildcard(host: string): boolean {
  return host.startsWith("*") && host !== "*" && !host.startsWith("*.");
}

/** Whether every name that `other` can stand for is also one of `host` (`*.com` covers `*.a.com`). */
export function covers(host: string, other: string): boolean {
  if (host === other || host === "*") return true;
  return host.startsWith("*") && other.replace(/^\*/, "").endsWith(host.slice(1));
}
