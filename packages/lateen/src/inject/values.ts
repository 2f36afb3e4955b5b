/** The values that ConfigMap `istio-sidecar-injector` holds: the part of Istio's that is read. */
import { decode } from "../api/decode.ts";
import type { Decoded, JsonObject } from "../api/kind.ts";
import { Report } from "../api/report.ts";
import {
  any,
  boolean,
  enumOf,
  integer,
  list,
  map,
  object,
  optional,
  orElse,
  string,
  type TypeOf,
} from "../api/schema.ts";

const texts = list(string());
const open = { open: true } as const;
const quantities = map(string({ numberToo: true }));
const resources = orElse(object({ requests: quantities, limits: quantities }, open), {});

export const labelSelector = object({
  matchLabels: map(string()),
  matchExpressions: list(
    object({
      key: orElse(string(), ""),
      operator: orElse(enumOf(["In", "NotIn", "Exists", "DoesNotExist"]), "Exists"),
      values: texts,
    }),
  ),
});

const proxy = object(
  {
    image: orElse(string(), "proxyv2"),
    clusterDomain: orElse(string(), "cluster.local"),
    logLevel: orElse(string(), "warning"),
    componentLogLevel: orElse(string(), "misc:error"),
    resources,
    lifecycle: any(),
    outlierLogPath: orElse(string({ maxLength: 255 }), ""),
    statusPort: orElse(integer({ min: 0, max: 65535 }), 15020),
    readinessInitialDelaySeconds: orElse(integer({ min: 0 }), 0),
    readinessPeriodSeconds: orElse(integer({ min: 1 }), 15),
    readinessFailureThreshold: orElse(integer({ min: 1 }), 4),
    startupProbe: orElse(
      object({
        enabled: orElse(boolean(), true),
        failureThreshold: orElse(integer({ min: 1 }), 600),
      }),
      {},
    ),
    includeIPRanges: orElse(string(), "*"),
    excludeIPRanges: orElse(string(), ""),
    includeInboundPorts: orElse(string(), "*"),
    excludeInboundPorts: orElse(string({ numberToo: true }), ""),
    includeOutboundPorts: orElse(string({ numberToo: true }), ""),
    excludeOutboundPorts: orElse(string({ numberToo: true }), ""),
    excludeInterfaces: orElse(string(), ""),
    holdApplicationUntilProxyStarts: orElse(boolean(), false),
    privileged: orElse(boolean(), false),
    seccompProfile: any(),
  },
  open,
);

const global = object(
  {
    hub: orElse(string(), "localhost/lateen"),
    tag: orElse(string({ numberToo: true }), ""),
    imagePullPolicy: orElse(string(), ""),
    imagePullSecrets: texts,
    istioNamespace: orElse(string(), "istio-system"),
    meshID: orElse(string(), ""),
    network: orElse(string(), ""),
    remotePilotAddress: orElse(string(), ""),
    podDNSSearchNamespaces: texts,
    multiCluster: orElse(object({ clusterName: orElse(string(), "") }, open), {}),
    proxy: orElse(proxy, {}),
    proxy_init: orElse(object({ image: orElse(string(), "proxyv2"), resources }, open), {}),
  },
  open,
);

const webhook = object(
  {
    enableNamespacesByDefault: orElse(boolean(), false),
    rewriteAppHTTPProbe: orElse(boolean(), true),
    neverInjectSelector: list(labelSelector),
    alwaysInjectSelector: list(labelSelector),
    injectedAnnotations: map(string()),
    templates: map(string()),
    defaultTemplates: texts,
  },
  open,
);

const cni = orElse(object({ enabled: orElse(boolean(), false) }, open), {});

export const valuesSchema = object(
  {
    revision: orElse(string(), ""),
    global: orElse(global, {}),
    sidecarInjectorWebhook: orElse(webhook, {}),
    istio_cni: cni,
    pilot: orElse(
      object({ cni, ipFamilies: list(enumOf(["IPv4", "IPv6"])), env: map(any()) }, open),
      {},
    ),
    cni: optional(object({ enabled: boolean() }, open)),
  },
  open,
);

export type InjectionValues = TypeOf<typeof valuesSchema>;

export function decodeValues(json: JsonObject): Decoded<InjectionValues> {
  const report = new Report();
  const decoded = decode(valuesSchema, json, report, ["values"]);
  const diagnostics = report.diagnostics();
  if (report.failed || decoded === undefined) return { ok: false, diagnostics };
  return { ok: true, value: decoded, diagnostics };
}
