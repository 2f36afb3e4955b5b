/** Hosts of a Sidecar's egress listener: `namespace/host`. */
import { dnsLabel } from "../names.ts";
import { shortWildcardBehind, wildcardHost } from "../networking/hosts.ts";
import type { StringCheck } from "../schema.ts";

export const egressHost: StringCheck = text => {
  const [namespace = "", host, ...more] = text.split("/");
  const any = namespace === "*" || namespace === "." || namespace === "~";
  const goodNamespace = any || dnsLabel(namespace) === undefined;
  const goodHost = host !== undefined && wildcardHost(host) === undefined;
  return goodNamespace && goodHost && more.length === 0
    ? undefined
    : 'namespace/host, where namespace may be ".", "*" or "~" and host may begin with "*"';
};

export const EGRESS_HOST = { check: egressHost, checkNew: shortWildcardBehind };
