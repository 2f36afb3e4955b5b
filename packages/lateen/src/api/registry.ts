/** All kinds, and how people and paths name them. */
import { authorizationPolicyKind } from "./authorization-policy/kind.ts";
import { configMapKind } from "./config-map/kind.ts";
import { deploymentKind } from "./deployment/kind.ts";
import { destinationRuleKind } from "./destination-rule/kind.ts";
import { endpointSliceKind } from "./endpoint-slice/kind.ts";
import { envoyFilterKind } from "./envoy-filter/kind.ts";
import { eventKind } from "./event/kind.ts";
import { gatewayKind } from "./gateway/kind.ts";
import { ingressKind } from "./ingress/kind.ts";
import { ingressClassKind } from "./ingress-class/kind.ts";
import type { ApiObject, Kind } from "./kind.ts";
import { namespaceKind } from "./namespace/kind.ts";
import { nodeKind } from "./node/kind.ts";
import { peerAuthenticationKind } from "./peer-authentication/kind.ts";
import { podKind } from "./pod/kind.ts";
import { proxyConfigKind } from "./proxy-config/kind.ts";
import { requestAuthenticationKind } from "./request-authentication/kind.ts";
import { secretKind } from "./secret/kind.ts";
import { serviceKind } from "./service/kind.ts";
import { serviceAccountKind } from "./service-account/kind.ts";
import { serviceEntryKind } from "./service-entry/kind.ts";
import { serviceExportKind } from "./service-export/kind.ts";
import { serviceImportKind } from "./service-import/kind.ts";
import { sidecarKind } from "./sidecar/kind.ts";
import { nearest } from "./suggest.ts";
import { telemetryKind } from "./telemetry/kind.ts";
import { trafficExtensionKind } from "./traffic-extension/kind.ts";
import { virtualServiceKind } from "./virtual-service/kind.ts";
import { wasmPluginKind } from "./wasm-plugin/kind.ts";
import { workloadEntryKind } from "./workload-entry/kind.ts";
import { workloadGroupKind } from "./workload-group/kind.ts";

/** Where two kinds share a name, the first one has it, as with kubectl. */
export const allKinds: readonly Kind[] = Object.freeze([
  namespaceKind,
  nodeKind,
  serviceAccountKind,
  secretKind,
  configMapKind,
  podKind,
  serviceKind,
  eventKind,
  deploymentKind,
  endpointSliceKind,
  ingressKind,
  ingressClassKind,
  serviceExportKind,
  serviceImportKind,
  gatewayKind,
  virtualServiceKind,
  destinationRuleKind,
  serviceEntryKind,
  workloadEntryKind,
  sidecarKind,
  workloadGroupKind,
  envoyFilterKind,
  proxyConfigKind,
  authorizationPolicyKind,
  peerAuthenticationKind,
  requestAuthenticationKind,
  telemetryKind,
  wasmPluginKind,
  trafficExtensionKind,
] satisfies readonly Kind<ApiObject>[]);

const byGroupKind = new Map<string, Kind>(
  allKinds.map(kind => [`${kind.group}/${kind.kind}`, kind]),
);
const byResource = new Map<string, Kind>(
  allKinds.flatMap(kind =>
    kind.versions.map((version): [string, Kind] => [
      `${kind.group}/${version}/${kind.plural}`,
      kind,
    ]),
  ),
);

/** `group` is "" for the core group. */
export function kindOf(group: string, kind: string): Kind | undefined {
  return byGroupKind.get(`${group}/${kind}`);
}

/** By the apiVersion and kind of an object; undefined where the version is not served either. */
export function kindOfObject(apiVersion: string, kind: string): Kind | undefined {
  const { group, version } = splitApiVersion(apiVersion);
  const found = kindOf(group, kind);
  return found?.versions.includes(version) === true ? found : undefined;
}

/** By the parts of a URL: `/apis/GROUP/VERSION/.../PLURAL`. */
export function kindOfResource(group: string, version: string, plural: string): Kind | undefined {
  return byResource.get(`${group}/${version}/${plural}`);
}

function splitApiVersion(apiVersion: string): { group: string; version: string } {
  const slash = apiVersion.lastIndexOf("/");
  return { group: apiVersion.slice(0, Math.max(slash, 0)), version: apiVersion.slice(slash + 1) };
}

export type ResourceArg =
  | { readonly ok: true; readonly kind: Kind; readonly version: string }
  | { readonly ok: false; readonly message: string };

/**
 * What people type: a plural, singular, short or kind name in any case, alone or as
 * `name.group` or `name.version.group` (`vs`, `virtualservices.networking.istio.io`,
 * `gateways.v1beta1.networking.istio.io`).
 */
export function parseResourceArg(text: string): ResourceArg {
  const [name = "", ...rest] = text.toLowerCase().split(".");
  const suffix = rest.join(".");
  for (const kind of allKinds) {
    if (!namesOf(kind).includes(name)) continue;
    if (suffix === "" || suffix === kind.group) return found(kind, kind.versions[0]);
    const version = kind.versions.find(one => suffix === versioned(one, kind.group));
    if (version !== undefined) return found(kind, version);
  }
  const meant = nearest(name, allKinds.flatMap(namesOf));
  const hint = meant === undefined ? "" : `; did you mean ${meant}?`;
  return { ok: false, message: `no resource type "${text.slice(0, 80)}"${hint}` };
}

function found(kind: Kind, version: string | undefined): ResourceArg {
  return { ok: true, kind, version: version ?? kind.storageVersion };
}

function versioned(version: string, group: string): string {
  // kubectl takes `pods.v1.` for the core group.
  return `${version}.${group}`;
}

function namesOf(kind: Kind): readonly string[] {
  return [kind.plural, kind.singular, ...kind.shortNames];
}
