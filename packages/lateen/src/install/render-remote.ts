/** Clusters whose control plane is elsewhere: a Service `istiod` that leads there. */
import { isIP } from "node:net";
import type { JsonObject } from "../api/kind.ts";
import { objectAt, stringAt } from "../sources/json.ts";
import { type Installation, revisionSuffix } from "./operator.ts";

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

/** `https://...` of an injector that is no Service of this cluster. */
export function injectionUrl({ values }: Installation): string | undefined {
  const url = stringAt(objectAt(values, "istiodRemote"), "injectionURL");
  return url === "" ? undefined : url.replace(/\/inject\b.*$/, "");
}

/** What follows `/inject` in the path. */
export function injectionPath({ values }: Installation): string {
  return stringAt(objectAt(values, "istiodRemote"), "injectionPath").replace(/^\/inject/, "");
}
