/**
 * What of an object the mesh reads. The rest is thrown away before anything is decoded: a Pod of a
 * real cluster is ten times larger than what routing needs to know of it, and a kubelet's report on
 * its Node changes no configuration.
 */
import { endpointSliceKind } from "../../api/endpoint-slice/kind.ts";
import type { Json, JsonObject, Kind } from "../../api/kind.ts";
import { namespaceKind } from "../../api/namespace/kind.ts";
import { nodeKind } from "../../api/node/kind.ts";
import { podKind } from "../../api/pod/kind.ts";
import { secretKind } from "../../api/secret/kind.ts";
import { arrayAt, isObject, objectAt } from "../json.ts";

export function trimObject(kind: Kind, object: JsonObject): JsonObject {
  switch (kind) {
    case podKind:
      return trimPod(object);
    case namespaceKind:
      return { ...typeOf(object), metadata: trimMeta(object) };
    case nodeKind:
      return trimNode(object);
    case endpointSliceKind:
      return trimSlice(object);
    case secretKind:
      return trimSecret(object);
    default:
      return { ...object, metadata: withoutHistory(objectAt(object, "metadata")) };
  }
}

const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

/** Of whoever wrote what, nothing is read; a second copy of the object is in an annotation. */
function withoutHistory(metadata: JsonObject): JsonObject {
  const { managedFields: _managed, annotations, ...rest } = metadata;
  if (!isObject(annotations)) return rest;
  const { [LAST_APPLIED]: _applied, ...own } = annotations;
  return { ...rest, annotations: own };
}

const META = [
  "name",
  "namespace",
  "uid",
  "labels",
  "creationTimestamp",
  "deletionTimestamp",
  "ownerReferences",
] as const;

/** No resourceVersion: a write that changes nothing of this gives an equal row, and no revision. */
function trimMeta(object: JsonObject): JsonObject {
  const metadata = objectAt(object, "metadata");
  const annotations = Object.entries(objectAt(metadata, "annotations")).filter(([key]) =>
    key.includes("istio.io/"),
  );
  return {
    ...pick(metadata, META),
    ...(annotations.length === 0 ? {} : { annotations: Object.fromEntries(annotations) }),
  };
}

/** Of its addresses those outside only: for Ingresses whose gateway has no Service. */
function trimNode(object: JsonObject): JsonObject {
  const all = objects(objectAt(object, "status"), "addresses");
  const addresses = all.filter(each => each["type"] === "ExternalIP");
  return {
    ...typeOf(object),
    metadata: trimMeta(object),
    ...(addresses.length === 0 ? {} : { status: { addresses } }),
  };
}

function trimPod(object: JsonObject): JsonObject {
  const spec = objectAt(object, "spec");
  const status = objectAt(object, "status");
  const conditions = objects(status, "conditions").filter(each => each["type"] === "Ready");
  return {
    ...typeOf(object),
    metadata: trimMeta(object),
    spec: {
      ...pick(spec, ["serviceAccountName", "nodeName"]),
      containers: objects(spec, "containers").map(trimContainer),
      initContainers: objects(spec, "initContainers").map(trimContainer),
    },
    status: {
      ...pick(status, ["phase", "podIP", "podIPs"]),
      conditions: conditions.map(each => pick(each, ["type", "status"])),
      ...waitingProxy(status, "containerStatuses"),
      ...waitingProxy(status, "initContainerStatuses"),
    },
  };
}

const PROXY_CONTAINER = "istio-proxy";

/** Of containers' statuses only that of a proxy that runs and is not ready: few at any time. */
function waitingProxy(status: JsonObject, key: string): JsonObject {
  const waiting = objects(status, key).filter(
    each =>
      each["name"] === PROXY_CONTAINER &&
      each["ready"] !== true &&
      isObject(objectAt(each, "state")["running"]),
  );
  if (waiting.length === 0) return {};
  const kept = waiting.map(each => ({
    ...pick(each, ["name", "ready"]),
    state: { running: pick(objectAt(objectAt(each, "state"), "running"), ["startedAt"]) },
  }));
  return { [key]: kept };
}

function trimContainer(container: JsonObject): JsonObject {
  const ports = objects(container, "ports").filter(port => typeof port["name"] === "string");
  return {
    ...pick(container, ["name"]),
    ports: ports.map(port => pick(port, ["name", "containerPort", "protocol"])),
  };
}

function trimSlice(object: JsonObject): JsonObject {
  return {
    ...typeOf(object),
    metadata: trimMeta(object),
    ...pick(object, ["addressType", "ports"]),
    endpoints: objects(object, "endpoints").map(trimEndpoint),
  };
}

/** Istio's names of certificates, keys and roots ("Secure Gateways"). */
const CREDENTIAL_KEYS = [
  "tls.crt",
  "tls.key",
  "ca.crt",
  "ca.crl",
  "cert",
  "key",
  "cacert",
  "crl",
] as const;

function trimSecret(object: JsonObject): JsonObject {
  return {
    ...typeOf(object),
    metadata: trimMeta(object),
    ...pick(object, ["type"]),
    data: pick(objectAt(object, "data"), CREDENTIAL_KEYS),
  };
}

function trimEndpoint(endpoint: JsonObject): JsonObject {
  const { targetRef } = endpoint;
  return {
    ...pick(endpoint, ["addresses", "conditions", "hostname", "nodeName", "zone"]),
    ...(isObject(targetRef) ? { targetRef: pick(targetRef, ["kind", "namespace", "name"]) } : {}),
  };
}

function typeOf(object: JsonObject): JsonObject {
  return pick(object, ["apiVersion", "kind"]);
}

function pick(object: JsonObject, keys: readonly string[]): JsonObject {
  const picked: Record<string, Json> = {};
  for (const key of keys) {
    const value = object[key];
    if (value !== undefined && value !== null) picked[key] = value;
  }
  return picked;
}

function objects(object: JsonObject, key: string): JsonObject[] {
  return arrayAt(object, key).filter(isObject);
}
