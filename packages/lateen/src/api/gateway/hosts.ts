/** Hosts of a Gateway's server: `[namespace/]host`. */
import { dnsLabel } from "../names.ts";
import { shortWildcardBehind, wildcardHost } from "../networking/hosts.ts";
import type { StringCheck } from "../schema.ts";

export const gatewayHost: StringCheck = text => {
  const slash = text.indexOf("/");
  const namespace = slash < 0 ? "*" : text.slice(0, slash);
  const host = text.slice(slash + 1);
  const goodNamespace = namespace === "*" || namespace === "." || dnsLabel(namespace) === undefined;
  return goodNamespace && wildcardHost(host) === undefined
    ? undefined
    : 'a host such as shop.example.com, "*.example.com" or "*", or namespace/host';
};

export const GATEWAY_HOST = { check: gatewayHost, checkNew: shortWildcardBehind };
