/** Clusters whose control plane is elsewhere: a Service `istiod` that leads there. */
import { isIP } from "node:net";
import type { JsonObject } from "../api/kind.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import { objectAt, stringAt } from "../sources/json.ts";
import { type Installation, isEnabled, revisionSuffix } from "./operator.ts";

const PORTS = [
  { name: "tcp-istiod", port: 15012, protocol: "TCP" },
  { name: "tcp-webhook", port: 443, targetPort: 15017, protocol: "TCP" },
];

/** Nothing where `values.global.remotePilotAddress` names nobody. */
export function remoteObjects(installation: Installation): JsonObject[] {
  const { namespace, values } = installation;
  const address = stringAt(objectAt(values, "global"), "remotePilotAddress");
  if (address === "") return [];
  const name = `istiod${revisionSuffix(installation)}`;
  const metadata = { name, namespace, labels: { app: "istiod" } };
  const service = { apiVersion: "v1", kind: "Service", metadata };
  const family = isIP(address);
  if (family === 0)
    return [{ ...service, spec: { type: "ExternalName", externalName: address, ports: PORTS } }];
  const slice: JsonObject = {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { ...metadata, labels: { app: "istiod", "kubernetes.io/service-name": name } },
    addressType: `IPv${family}`,
    endpoints: [{ addresses: [address] }],
    ports: PORTS.map(each => ({
      name: each.name,
      port: each.targetPort ?? each.port,
      protocol: each.protocol,
    })),
  };
  return [{ ...service, spec: { ports: PORTS } }, slice];
}

/** Where nothing leads to the control plane: installed it is, and waits for that. */
export function remoteWarnings(installation: Installation): Diagnostic[] {
  const { namespace, values, meshConfig } = installation;
  const isThere = stringAt(objectAt(values, "global"), "remotePilotAddress") !== "";
  if (isThere || isEnabled(installation, "pilot")) return [];
  const discovery = stringAt(objectAt(meshConfig, "defaultConfig"), "discoveryAddress");
  const without = [
    ...(injectionUrl(installation) === undefined
      ? ["pods that ask for injection are refused"]
      : []),
    ...(discovery === "" ? ["proxies get no configuration"] : []),
  ];
  if (without.length === 0) return [];
  const message =
    `no address of the control plane: ${without.join(", and ")}, unless a Service ` +
    `istiod${revisionSuffix(installation)} in namespace ${namespace} leads to it; ` +
    "expected its IP address or host name";
  const path = "spec.values.global.remotePilotAddress";
  return [{ severity: "warning", path, message, reason: "Missing" }];
}

/** `https://...` of an injector that is no Service of this cluster. */
export function injectionUrl({ values }: Installation): string | undefined {
  const url = stringAt(objectAt(values, "istiodRemote"), "injectionURL");
  return url === "" ? undefined : url.replace(/\/inject\b.*$/, "");
}

/** What follows `/inject` in the path. */
export function injectionPath({ values }: Installation): string {
  return stringAt(objectAt(values, "istiodRemote"), "injectionPath").replace(/^\/inject/, "");
}
