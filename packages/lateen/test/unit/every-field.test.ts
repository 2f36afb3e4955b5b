/**
 * Every field of every kind is either carried out, or whoever sets it is told that it is not: by the
 * schema (`notYet`), or in a local mesh by its rules. A new field has to be put on one of the lists.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Kind } from "../../src/api/kind.ts";
import { allKinds } from "../../src/api/registry.ts";
import type { SchemaNode } from "../../src/api/schema.ts";
import { LOCAL_RULES, type LocalRule } from "../../src/local/not-carried-out.ts";

/** Paths of values; those below a field that is not carried out are left out. */
function leaves(node: SchemaNode, path: string): string[] {
  if (node.notYet === true) return [];
  const below = (child: SchemaNode | undefined, at: string): string[] =>
    child === undefined ? [at] : leaves(child, at);
  if (node.type === "list") return below(node.items, `${path}[]`);
  if (node.type === "map") return below(node.items, `${path}{}`);
  if (node.type !== "object") return [path];
  return [...(node.properties ?? [])].flatMap(([name, child]) =>
    leaves(child, path === "" ? name : `${path}.${name}`),
  );
}

function isBelow(leaf: string, path: string): boolean {
  return (
    leaf === path || (/^(\.|\[\]|\{\})/.test(leaf.slice(path.length)) && leaf.startsWith(path))
  );
}

function isWarnedOf(leaf: string, { path, but }: LocalRule): boolean {
  if (!isBelow(leaf, path)) return false;
  return but === undefined || !but.some(key => isBelow(leaf, `${path}.${key}`));
}

const HANDLER = [
  "exec.command[]",
  "httpGet.path",
  "httpGet.port",
  "httpGet.host",
  "httpGet.scheme",
  "httpGet.httpHeaders[].name",
  "httpGet.httpHeaders[].value",
];
const PROBE = [
  ...HANDLER,
  "tcpSocket.port",
  "tcpSocket.host",
  "grpc.port",
  "grpc.service",
  "initialDelaySeconds",
  "timeoutSeconds",
  "periodSeconds",
  "successThreshold",
  "failureThreshold",
];

const under = (place: string, fields: readonly string[]): string[] =>
  fields.map(field => `${place}.${field}`);

const CONTAINER = [
  "name",
  // Images are not run; the documentation says so, and a container without a command does not start.
  "image",
  "imagePullPolicy",
  "command[]",
  "args[]",
  "workingDir",
  "env[].name",
  "env[].value",
  "env[].valueFrom.fieldRef.apiVersion",
  "env[].valueFrom.fieldRef.fieldPath",
  ...["configMapKeyRef", "secretKeyRef"].flatMap(ref =>
    under(`env[].valueFrom.${ref}`, ["name", "key", "optional"]),
  ),
  "envFrom[].prefix",
  ...["configMapRef", "secretRef"].flatMap(ref => under(`envFrom[].${ref}`, ["name", "optional"])),
  ...under("ports[]", ["containerPort", "name", "protocol"]),
  ...under("volumeMounts[]", ["name", "mountPath", "subPath", "readOnly"]),
  ...["preStop", "postStart"].flatMap(hook =>
    under(`lifecycle.${hook}`, [...HANDLER, "sleep.seconds"]),
  ),
  ...["livenessProbe", "readinessProbe", "startupProbe"].flatMap(probe => under(probe, PROBE)),
  ...under("securityContext", ["runAsUser", "runAsGroup", "runAsNonRoot"]),
  ...under("securityContext", ["allowPrivilegeEscalation"]),
  ...under("securityContext.capabilities", ["add[]", "drop[]"]),
];

const POD_SPEC = [
  ...under("containers[]", CONTAINER),
  ...under("initContainers[]", [...CONTAINER, "restartPolicy"]),
  ...under("volumes[]", ["name", "hostPath.path"]),
  ...under("volumes[].configMap", ["name", "optional", "items[].key", "items[].path"]),
  ...under("volumes[].secret", ["secretName", "optional", "items[].key", "items[].path"]),
  "serviceAccountName",
  "serviceAccount",
  "nodeName",
  "nodeSelector{}",
  "hostname",
  "subdomain",
  "hostAliases[].ip",
  "hostAliases[].hostnames[]",
  // The containers of a pod share their processes in any case.
  "shareProcessNamespace",
  "restartPolicy",
  "terminationGracePeriodSeconds",
  "securityContext.runAsUser",
  "securityContext.runAsGroup",
  "securityContext.runAsNonRoot",
  // Nothing is pulled.
  "imagePullSecrets[].name",
  // The default of Kubernetes; names of Services are resolved, variables are not set.
  "enableServiceLinks",
];

const TEXTS = ["exact", "prefix", "regex"];
const DESTINATION = under("destination", ["host", "subset", "port.number"]);
const CLIENT_TLS = [
  "mode",
  "sni",
  "subjectAltNames[]",
  "caCertificates",
  "clientCertificate",
  "privateKey",
  "insecureSkipVerify",
  "credentialName",
];
const PORT_POLICY = ["loadBalancer.simple", ...under("tls", CLIENT_TLS)];
const TRAFFIC_POLICY = [
  ...PORT_POLICY,
  ...under("portLevelSettings[]", ["port.number", ...PORT_POLICY]),
];
const WORKLOAD_ENTRY = ["address", "ports{}", "labels{}", "locality", "weight", "serviceAccount"];
const HTTP_MATCH = [
  "name",
  ...["uri", "scheme", "method", "authority"].flatMap(field => under(field, TEXTS)),
  ...["headers{}", "withoutHeaders{}", "queryParams{}"].flatMap(field => under(field, TEXTS)),
  "port",
  "sourceLabels{}",
  "sourceNamespace",
  "gateways[]",
  "ignoreUriCase",
];

const CARRIED_OUT: Readonly<Record<string, readonly string[]>> = {
  // Kept, and given to whoever asks.
  ConfigMap: ["data{}", "binaryData{}", "immutable"],
  Secret: ["type", "data{}", "stringData{}", "immutable"],
  Namespace: ["spec.finalizers[]"],
  ServiceAccount: ["imagePullSecrets[].name"],
  Node: under("spec", ["podCIDR", "podCIDRs[]", "providerID"]),
  Pod: under("spec", POD_SPEC),
  Deployment: [
    "spec.replicas",
    "spec.selector.matchLabels{}",
    ...under("spec.selector.matchExpressions[]", ["key", "operator", "values[]"]),
    // Only labels and annotations of a template come to its pods, in Kubernetes, too.
    ...under("spec.template.metadata", [
      "name",
      "namespace",
      "creationTimestamp",
      "labels{}",
      "annotations{}",
    ]),
    ...under("spec.template.spec", POD_SPEC),
    ...under("spec.strategy", ["type", "rollingUpdate.maxSurge", "rollingUpdate.maxUnavailable"]),
    ...under("spec", ["minReadySeconds", "progressDeadlineSeconds", "paused"]),
  ],
  Service: [
    ...under("spec.ports[]", ["name", "port", "targetPort", "protocol", "appProtocol"]),
    ...under("spec", [
      "clusterIP",
      "clusterIPs[]",
      "selector{}",
      "publishNotReadyAddresses",
      "externalName",
      // The schema warns of its other value.
      "sessionAffinity",
      "internalTrafficPolicy",
      "trafficDistribution",
    ]),
  ],
  Gateway: [
    "spec.selector{}",
    ...under("spec.servers[]", ["port.number", "port.protocol", "port.name", "hosts[]", "name"]),
    ...under("spec.servers[].tls", [
      "mode",
      "httpsRedirect",
      "credentialName",
      "serverCertificate",
      "privateKey",
      "caCertificates",
      "cipherSuites[]",
      "maxProtocolVersion",
      "minProtocolVersion",
      "subjectAltNames[]",
    ]),
  ],
  VirtualService: [
    ...under("spec", ["hosts[]", "gateways[]", "exportTo[]"]),
    ...under("spec.http[].match[]", HTTP_MATCH),
    ...under("spec.http[].route[]", [...DESTINATION, "weight"]),
    ...under("spec.http[]", ["name", "timeout"]),
    ...under("spec.http[].retries", ["attempts", "perTryTimeout", "retryOn"]),
  ],
  DestinationRule: [
    ...under("spec", ["host", "exportTo[]", "subsets[].name", "subsets[].labels{}"]),
    ...under("spec.trafficPolicy", TRAFFIC_POLICY),
    ...under("spec.subsets[].trafficPolicy", TRAFFIC_POLICY),
  ],
  ServiceEntry: [
    ...under("spec.ports[]", ["number", "name", "protocol", "targetPort"]),
    ...under("spec", ["hosts[]", "addresses[]", "location", "resolution", "exportTo[]"]),
    ...under("spec", ["workloadSelector.labels{}", "subjectAltNames[]"]),
    ...under("spec.endpoints[]", WORKLOAD_ENTRY),
  ],
  WorkloadEntry: under("spec", WORKLOAD_ENTRY),
  Ingress: [
    ...under("spec", ["ingressClassName", "rules[].host", "tls[].hosts[]", "tls[].secretName"]),
    ...under("spec.rules[].http.paths[]", ["path", "pathType"]),
    ...["spec.defaultBackend", "spec.rules[].http.paths[].backend"].flatMap(backend =>
      under(`${backend}.service`, ["name", "port.name", "port.number"]),
    ),
  ],
  IngressClass: ["spec.controller"],
  Sidecar: [
    ...under("spec", ["workloadSelector.labels{}", "outboundTrafficPolicy.mode"]),
    ...under("spec.egress[]", ["hosts[]", "port.number", "port.protocol", "port.name"]),
    ...under("spec.ingress[]", ["port.number", "port.protocol", "port.name"]),
    ...under("spec.ingress[]", ["bind", "defaultEndpoint"]),
  ],
};

/** Written by programs, and read as far as a program reads them. */
const NOT_DECLARED = new Set(["EndpointSlice", "Event", "ServiceImport"]);

function declaredLeaves(kind: Kind): string[] {
  return leaves(kind.schema, "").filter(leaf => !isBelow(leaf, "status"));
}

for (const kind of allKinds.filter(each => !NOT_DECLARED.has(each.kind)))
  test(`each field of ${kind.kind} is carried out, or warned of`, () => {
    const rules = LOCAL_RULES[kind.kind] ?? [];
    const carriedOut = new Set(CARRIED_OUT[kind.kind]);
    const all = declaredLeaves(kind);
    const silent = all.filter(
      leaf => !carriedOut.has(leaf) && !rules.some(rule => isWarnedOf(leaf, rule)),
    );
    assert.deepEqual(silent, [], "neither carried out nor warned of");
    const both = [...carriedOut].filter(leaf => rules.some(rule => isWarnedOf(leaf, rule)));
    assert.deepEqual(both, [], "carried out and warned of");
    assert.deepEqual(
      [...carriedOut].filter(leaf => !all.includes(leaf)),
      [],
      "no such field",
    );
    const dead = rules.filter(rule => !rule.but && !all.some(leaf => isWarnedOf(leaf, rule)));
    assert.deepEqual(dead, [], "a rule about no field");
  });
