/** Ingress and egress gateways: upstream Envoy with our bootstrap, which injection writes. */
import type { JsonObject } from "../api/kind.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../sources/json.ts";
import type { Installation } from "./operator.ts";
import { textAt } from "./operator.ts";
import { serviceAccount } from "./render-rbac.ts";
import {
  containerSettings,
  environment,
  placement,
  podAnnotations,
  replicas,
  scaling,
  strategy,
  type WorkloadSettings,
  withServiceSettings,
} from "./workload.ts";

export type GatewayType = "ingress" | "egress";

const PROXY_UID = 1337;
const METRICS_PORT = 15090;

/**
 * All of one gateway; its Deployment still without the proxy in it.
 * @param component an item of `components.ingressGateways` or `egressGateways`
 */
export function gatewayObjects(
  installation: Installation,
  component: JsonObject,
  type: GatewayType,
): JsonObject[] {
  const settings = gatewaySettings(installation, component, type);
  const { name, namespace } = settings;
  const account = `${name}-service-account`;
  return [
    serviceAccount(account, namespace, settings.selector),
    service(settings),
    deployment(installation, settings, component, account),
    ...scaling(settings, installation),
  ];
}

export function gatewaySettings(
  { namespace, values }: Installation,
  component: JsonObject,
  type: GatewayType,
): WorkloadSettings {
  const name = stringAt(component, "name");
  const own: JsonObject = { app: name, istio: `${type}gateway` };
  const gateways = objectAt(values, "gateways");
  const key = `istio-${type}gateway`;
  const settings = objectAt(gateways, key);
  const said = { ...objectAt(settings, "labels"), ...objectAt(component, "label") };
  return {
    name,
    namespace: stringAt(component, "namespace") || namespace,
    selector: { ...own, ...said },
    values: settings,
    k8s: objectAt(component, "k8s"),
  };
}

function service(settings: WorkloadSettings): JsonObject {
  const { name, namespace, selector, values } = settings;
  const { externalTrafficPolicy, loadBalancerIP, loadBalancerSourceRanges } = values;
  const { ipFamilies, ipFamilyPolicy } = values;
  const object: JsonObject = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace, labels: selector },
    spec: {
      type: stringAt(values, "type") || "ClusterIP",
      selector,
      ports: arrayAt(values, "ports"),
      ...(externalTrafficPolicy === undefined ? {} : { externalTrafficPolicy }),
      ...(ipFamilies === undefined ? {} : { ipFamilies }),
      ...(ipFamilyPolicy === undefined ? {} : { ipFamilyPolicy }),
      ...(loadBalancerIP === undefined || loadBalancerIP === "" ? {} : { loadBalancerIP }),
      ...(loadBalancerSourceRanges === undefined ? {} : { loadBalancerSourceRanges }),
    },
  };
  return withServiceSettings(object, settings);
}

function deployment(
  installation: Installation,
  settings: WorkloadSettings,
  component: JsonObject,
  account: string,
): JsonObject {
  const { name, namespace, selector, k8s } = settings;
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace, labels: selector },
    spec: {
      ...replicas(settings),
      ...strategy(settings),
      selector: { matchLabels: selector },
      template: {
        metadata: {
          labels: podLabels(settings, installation),
          annotations: podAnnotations(settings, {
            "inject.istio.io/templates": "gateway",
            "prometheus.io/path": "/stats/prometheus",
            "prometheus.io/port": "15020",
            "prometheus.io/scrape": "true",
          }),
        },
        spec: {
          serviceAccountName: account,
          securityContext: {
            runAsGroup: PROXY_UID,
            runAsNonRoot: true,
            runAsUser: PROXY_UID,
            ...objectAt(k8s, "securityContext"),
          },
          containers: [proxyContainer(installation, settings, component)],
          ...placement(settings, installation),
          ...(k8s["volumes"] === undefined ? {} : { volumes: k8s["volumes"] }),
        },
      },
    },
  };
}

function podLabels({ selector, name }: WorkloadSettings, installation: Installation): JsonObject {
  const { network } = objectAt(installation.values, "global");
  return {
    ...selector,
    "istio.io/rev": installation.revision,
    "istio.io/dataplane-mode": "none",
    "service.istio.io/canonical-name": name,
    "service.istio.io/canonical-revision": "latest",
    ...(typeof network === "string" && network !== ""
      ? { "topology.istio.io/network": network }
      : {}),
  };
}

/** What injection leaves as it is; the rest of the container is its work. */
function proxyContainer(
  installation: Installation,
  settings: WorkloadSettings,
  component: JsonObject,
): JsonObject {
  const ports = arrayAt(
    settings.k8s["service"] === undefined ? settings.values : objectAt(settings.k8s, "service"),
    "ports",
  );
  const opened = new Set(
    (ports.length > 0 ? ports : arrayAt(settings.values, "ports"))
      .filter(isObject)
      .map(each => each["targetPort"] ?? each["port"])
      .filter(each => typeof each === "number"),
  );
  opened.delete(METRICS_PORT);
  const env = environment(settings, []);
  return {
    name: "istio-proxy",
    image: imageOf(installation, component),
    ports: [...opened].map(containerPort => ({ containerPort, protocol: "TCP" })),
    ...(env.length === 0 ? {} : { env }),
    ...containerSettings(settings, installation),
  };
}

/** `auto`: the injector's. */
function imageOf({ hub, tag, values }: Installation, component: JsonObject): string {
  const own = { hub: textAt(component, "hub"), tag: textAt(component, "tag") };
  if (own.hub === "" && own.tag === "") return "auto";
  const image = stringAt(objectAt(objectAt(values, "global"), "proxy"), "image") || "proxyv2";
  return `${own.hub || hub}/${image}:${own.tag || tag}`;
}
