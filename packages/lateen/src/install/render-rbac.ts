/** Accounts of the control plane and of those who read a cluster for it, with what they need and no more. */
import type { Json, JsonObject } from "../api/kind.ts";
import { objectAt } from "../sources/json.ts";
import { type Installation, revisionSuffix } from "./operator.ts";

const API = "rbac.authorization.k8s.io/v1";
const GROUP = "rbac.authorization.k8s.io";
const MESH_GROUPS = [
  "networking.istio.io",
  "security.istio.io",
  "telemetry.istio.io",
  "extensions.istio.io",
];
const READ = ["get", "list", "watch"];

function rule(
  apiGroups: readonly string[],
  resources: readonly string[],
  verbs: readonly string[],
) {
  return { apiGroups, resources, verbs };
}

/** What every namespace is asked for. */
function readRules(): Json[] {
  return [
    rule([""], ["endpoints", "namespaces", "nodes", "pods", "secrets", "services"], READ),
    rule([""], ["configmaps", "serviceaccounts"], READ),
    rule(["discovery.k8s.io"], ["endpointslices"], READ),
    rule(["networking.k8s.io"], ["ingresses", "ingressclasses"], READ),
    rule(["apiextensions.k8s.io"], ["customresourcedefinitions"], READ),
    rule(MESH_GROUPS, ["*"], READ),
    // Not carried out; whoever makes such objects is told that they have no effect.
    rule(["gateway.networking.k8s.io"], ["*"], READ),
    rule(["multicluster.x-k8s.io"], ["serviceexports", "serviceimports"], READ),
    rule(["authentication.k8s.io"], ["tokenreviews"], ["create"]),
  ];
}

function controlPlaneRules(): Json[] {
  return [
    ...readRules(),
    rule(
      ["admissionregistration.k8s.io"],
      ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"],
      [...READ, "patch", "update"],
    ),
    rule(["networking.k8s.io"], ["ingresses/status"], ["get", "patch"]),
    // Conditions of objects, the roots in every namespace, reasons why pods are not ready.
    rule(MESH_GROUPS, statusOf(MESH_KINDS), ["get", "patch", "update"]),
    // Whether Istio's control plane runs beside this one.
    rule(["apps"], ["deployments"], READ),
    rule([""], ["services/status"], ["get", "patch"]),
    rule([""], ["configmaps"], ["create", "patch", "update"]),
    rule([""], ["events"], ["create", "patch"]),
  ];
}

const MESH_KINDS = [
  ...["authorizationpolicies", "destinationrules", "envoyfilters", "gateways"],
  ...["peerauthentications", "proxyconfigs", "requestauthentications", "serviceentries"],
  ...["sidecars", "telemetries", "trafficextensions", "virtualservices", "wasmplugins"],
  ...["workloadentries", "workloadgroups"],
];

function statusOf(kinds: readonly string[]): string[] {
  return kinds.map(kind => `${kind}/status`);
}

/** In its own namespace: its root and other keys, the Lease, and the probe of the validating webhook. */
const OWN_RULES: readonly Json[] = [
  rule([""], ["secrets"], [...READ, "create", "update", "delete"]),
  rule([""], ["configmaps"], ["delete"]),
  rule(["coordination.k8s.io"], ["leases"], ["get", "create", "patch", "update"]),
  rule(["networking.istio.io"], ["gateways"], ["create"]),
];

/** What a control plane of another cluster reads this one with. */
export function readerObjects({ namespace }: Installation): JsonObject[] {
  const name = `istio-reader-clusterrole-${namespace}`;
  const account = "istio-reader-service-account";
  return [
    serviceAccount(account, namespace, { app: "istio-reader" }),
    clusterRole(name, "istio-reader", readRules()),
    clusterRoleBinding(name, "istio-reader", account, namespace),
  ];
}

export function controlPlaneAccount(installation: Installation): JsonObject[] {
  const { namespace, values } = installation;
  const suffix = revisionSuffix(installation);
  const name = `istiod-clusterrole${suffix}-${namespace}`;
  const account = `istiod${suffix}`;
  const annotations = objectAt(objectAt(values, "pilot"), "serviceAccountAnnotations");
  return [
    serviceAccount(account, namespace, { app: "istiod" }, annotations),
    clusterRole(name, "istiod", controlPlaneRules()),
    clusterRoleBinding(name, "istiod", account, namespace),
    role(account, namespace, { app: "istiod" }, OWN_RULES),
    roleBinding(account, namespace, { app: "istiod" }, account),
  ];
}

export function serviceAccount(
  name: string,
  namespace: string,
  labels: JsonObject,
  annotations: JsonObject = {},
): JsonObject {
  const more = Object.keys(annotations).length === 0 ? {} : { annotations };
  return {
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: { name, namespace, labels, ...more },
  };
}

function clusterRole(name: string, app: string, rules: readonly Json[]): JsonObject {
  return { apiVersion: API, kind: "ClusterRole", metadata: { name, labels: { app } }, rules };
}

function clusterRoleBinding(
  name: string,
  app: string,
  account: string,
  namespace: string,
): JsonObject {
  return {
    apiVersion: API,
    kind: "ClusterRoleBinding",
    metadata: { name, labels: { app } },
    roleRef: { apiGroup: GROUP, kind: "ClusterRole", name },
    subjects: [{ kind: "ServiceAccount", name: account, namespace }],
  };
}

function role(
  name: string,
  namespace: string,
  labels: JsonObject,
  rules: readonly Json[],
): JsonObject {
  return { apiVersion: API, kind: "Role", metadata: { name, namespace, labels }, rules };
}

function roleBinding(
  name: string,
  namespace: string,
  labels: JsonObject,
  account: string,
): JsonObject {
  return {
    apiVersion: API,
    kind: "RoleBinding",
    metadata: { name, namespace, labels },
    roleRef: { apiGroup: GROUP, kind: "Role", name },
    subjects: [{ kind: "ServiceAccount", name: account, namespace }],
  };
}
