/** The control plane: Deployment and Service `istiod`. */
import type { JsonObject } from "../api/kind.ts";
import { CONTROL_PLANE_LABEL } from "../api/revision-label.ts";
import { arrayAt, objectAt, stringAt } from "../sources/json.ts";
import { type Installation, revisionSuffix, textAt } from "./operator.ts";
import {
  containerSettings,
  environment,
  placement,
  podAnnotations,
  replicas,
  scaling,
  some,
  strategy,
  type WorkloadSettings,
  withServiceSettings,
} from "./workload.ts";

const PORTS = [
  { name: "grpc-xds", port: 15010, protocol: "TCP" },
  { name: "https-dns", port: 15012, protocol: "TCP" },
  { name: "https-webhook", port: 443, targetPort: 15017, protocol: "TCP" },
  { name: "http-monitoring", port: 15014, protocol: "TCP" },
];
const CONTAINER_PORTS = [
  { name: "http-debug", containerPort: 8080, protocol: "TCP" },
  { name: "grpc-xds", containerPort: 15010, protocol: "TCP" },
  { name: "tls-xds", containerPort: 15012, protocol: "TCP" },
  { name: "https-webhooks", containerPort: 15017, protocol: "TCP" },
  { name: "http-monitoring", containerPort: 15014, protocol: "TCP" },
];

export function istiodObjects(installation: Installation): JsonObject[] {
  const settings = settingsOf(installation);
  return [
    service(installation, settings),
    deployment(installation, settings),
    ...scaling(settings, installation),
  ];
}

function settingsOf(installation: Installation): WorkloadSettings {
  const { namespace, components, values, revision } = installation;
  const own: JsonObject =
    revision === "default" ? { istio: "pilot" } : { "istio.io/rev": revision };
  return {
    name: `istiod${revisionSuffix(installation)}`,
    namespace,
    selector: { app: "istiod", ...own },
    values: objectAt(values, "pilot"),
    k8s: objectAt(objectAt(components, "pilot"), "k8s"),
  };
}

function service(installation: Installation, settings: WorkloadSettings): JsonObject {
  const { ipFamilies, ipFamilyPolicy } = settings.values;
  const object: JsonObject = {
    apiVersion: "v1",
    kind: "Service",
    metadata: {
      name: settings.name,
      namespace: installation.namespace,
      labels: { app: "istiod", istio: "pilot" },
    },
    spec: {
      ports: PORTS,
      selector: settings.selector,
      ...(ipFamilies === undefined ? {} : { ipFamilies }),
      ...(ipFamilyPolicy === undefined ? {} : { ipFamilyPolicy }),
    },
  };
  return withServiceSettings(object, settings);
}

function deployment(installation: Installation, settings: WorkloadSettings): JsonObject {
  const { name, namespace, selector, k8s } = settings;
  const labels = { app: "istiod", istio: "pilot", [CONTROL_PLANE_LABEL]: "true" };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace, labels },
    spec: {
      ...replicas(settings),
      ...strategy(settings),
      selector: { matchLabels: selector },
      template: {
        metadata: {
          labels: {
            ...labels,
            // Service istiod of the revision without a name, be it Istio's, asks for pods of pilot.
            istio: installation.revision === "default" ? "pilot" : "istiod",
            "istio.io/rev": installation.revision,
            "istio.io/dataplane-mode": "none",
            "operator.istio.io/component": "Pilot",
            "sidecar.istio.io/inject": "false",
            ...objectAt(settings.values, "podLabels"),
          },
          annotations: podAnnotations(settings, {
            "prometheus.io/port": "15014",
            "prometheus.io/scrape": "true",
            "sidecar.istio.io/inject": "false",
          }),
        },
        spec: {
          serviceAccountName: name,
          ...some("securityContext", podSecurity(settings)),
          containers: [container(installation, settings)],
          ...placement(settings, installation),
          ...(k8s["volumes"] === undefined ? {} : { volumes: k8s["volumes"] }),
        },
      },
    },
  };
}

function podSecurity({ k8s, values }: WorkloadSettings): JsonObject {
  const profile = values["seccompProfile"];
  return {
    ...(profile === undefined ? {} : { seccompProfile: profile }),
    ...objectAt(k8s, "securityContext"),
  };
}

function container(installation: Installation, settings: WorkloadSettings): JsonObject {
  const { revision } = installation;
  const field = (name: string, fieldPath: string): JsonObject => ({
    name,
    valueFrom: { fieldRef: { apiVersion: "v1", fieldPath } },
  });
  return {
    name: "discovery",
    image: imageOf(installation, settings),
    args: [
      "discovery",
      "--https-addr",
      ":15017",
      ...(revision === "default" ? [] : ["--revision", revision]),
      ...logging(installation),
      ...arrayAt(settings.values, "extraContainerArgs"),
    ],
    ports: CONTAINER_PORTS,
    // Why it does not start is then in the pod's status, where an installation finds it.
    terminationMessagePolicy: "FallbackToLogsOnError",
    readinessProbe: {
      httpGet: { path: "/ready", port: 8080 },
      initialDelaySeconds: 1,
      periodSeconds: 3,
      timeoutSeconds: 5,
    },
    env: environment(settings, [
      { name: "REVISION", value: revision },
      field("POD_NAME", "metadata.name"),
      field("POD_NAMESPACE", "metadata.namespace"),
      field("SERVICE_ACCOUNT", "spec.serviceAccountName"),
      // Read by Kiali, which takes a control plane without it for one of another cluster.
      { name: "CLUSTER_ID", value: clusterName(installation) },
    ]),
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ["ALL"] },
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
    },
    ...containerSettings(settings, installation),
  };
}

/** As its proxies are told. */
function clusterName({ values }: Installation): string {
  const multiCluster = objectAt(objectAt(values, "global"), "multiCluster");
  return stringAt(multiCluster, "clusterName") || "Kubernetes";
}

function logging({ values }: Installation): string[] {
  const global = objectAt(values, "global");
  const level = /(?:^|,)(?:default:)?(debug|info|warn|error)(?:$|,)/.exec(
    stringAt(objectAt(global, "logging"), "level"),
  )?.[1];
  return [
    ...(level === undefined ? [] : ["--log-level", level]),
    ...(global["logAsJson"] === true ? ["--log-format", "json"] : []),
  ];
}

/** `hub/pilot:tag`, or the whole image where values or component name one. */
function imageOf({ hub, tag, components }: Installation, settings: WorkloadSettings): string {
  const component = objectAt(components, "pilot");
  const image = stringAt(settings.values, "image") || "pilot";
  if (image.includes("/")) return image;
  const from = textAt(component, "hub") || textAt(settings.values, "hub") || hub;
  const version = textAt(component, "tag") || textAt(settings.values, "tag") || tag;
  return `${from}/${image}:${version}`;
}
