/** The volumes of an injected pod, under Istio's names. */
import type { Json, JsonObject } from "../api/kind.ts";
import type { ProxyPlan } from "../proxy/inject-pod.ts";
import { CUSTOM_BOOTSTRAP } from "../proxy/sidecar-container.ts";
import { type DiscoveryTls, discoverySdsFiles } from "../proxy/xds-cluster.ts";
import { arrayAt, isObject, objectAt } from "../sources/json.ts";
import { KubePath } from "./settings.ts";

const ROOT_CONFIG_MAP = "istio-ca-root-cert";
const TOKEN_AUDIENCE = "istio-ca";
const TOKEN_SECONDS = 43_200;
const CUSTOM_BOOTSTRAP_VOLUME = "custom-bootstrap-volume";
const ANNOTATION_PREFIX = "lateen.dev/";

/**
 * Envoy rereads root and token only by way of an SDS file each. They name the real files and never
 * change, so they are annotations that the downward API makes files of: no process has to write them.
 */
export function sdsAnnotations(tls: DiscoveryTls): Record<string, string> {
  return Object.fromEntries(
    Object.entries(discoverySdsFiles(tls)).map(([file, content]) => [
      annotationOf(file),
      content.trim(),
    ]),
  );
}

function annotationOf(file: string): string {
  return `${ANNOTATION_PREFIX}${file.replace(".json", "")}`;
}

/** The pod's own volumes and those of ours that it does not have. */
export function podVolumes(plan: ProxyPlan, spec: JsonObject): Json[] {
  const own = arrayAt(spec, "volumes");
  const names = new Set(own.filter(isObject).map(volume => volume["name"]));
  const field = (path: string, fieldPath: string): JsonObject => ({
    path,
    fieldRef: { apiVersion: "v1", fieldPath },
  });
  const sds = Object.keys(discoverySdsFiles(emptyTls)).map(file =>
    field(file, `metadata.annotations['${annotationOf(file)}']`),
  );
  const ours: JsonObject[] = [
    {
      name: "istio-podinfo",
      downwardAPI: {
        items: [
          field("labels", "metadata.labels"),
          field("annotations", "metadata.annotations"),
          ...sds,
        ],
      },
    },
    {
      name: "istio-token",
      projected: {
        sources: [
          {
            serviceAccountToken: {
              audience: TOKEN_AUDIENCE,
              expirationSeconds: TOKEN_SECONDS,
              path: "istio-token",
            },
          },
        ],
      },
    },
    { name: "istiod-ca-cert", configMap: { name: ROOT_CONFIG_MAP } },
    ...(plan.proxy.bootstrapOverride === undefined
      ? []
      : [{ name: CUSTOM_BOOTSTRAP_VOLUME, configMap: { name: plan.proxy.bootstrapOverride } }]),
    ...Object.keys(plan.proxy.userVolumes).map(name => ({
      name,
      ...objectAt(plan.proxy.userVolumes, name),
    })),
  ];
  return [...own, ...ours.filter(volume => !names.has(volume["name"]))];
}

const emptyTls: DiscoveryTls = {
  serverName: "",
  sdsDirectory: "",
  rootCertFile: "",
  tokenFile: "",
};

export function proxyMounts(plan: ProxyPlan): Json[] {
  return [
    { name: "istiod-ca-cert", mountPath: KubePath.rootCert, readOnly: true },
    { name: "istio-token", mountPath: KubePath.token, readOnly: true },
    { name: "istio-podinfo", mountPath: KubePath.podInfo, readOnly: true },
    ...(plan.proxy.bootstrapOverride === undefined
      ? []
      : [{ name: CUSTOM_BOOTSTRAP_VOLUME, mountPath: CUSTOM_BOOTSTRAP, readOnly: true }]),
    ...Object.keys(plan.proxy.userVolumeMounts).map(name => ({
      name,
      ...objectAt(plan.proxy.userVolumeMounts, name),
    })),
  ];
}
