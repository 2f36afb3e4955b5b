/**
 * A stand-in for an installed Istio: the objects of its Helm charts base, istiod and gateway as they are
 * in a cluster, by Istio's own names, labels and field managers, and what its control plane writes. Its
 * programs are not Istio's: their pods only run, so that Services, PDBs and HPAs have something.
 */
import assert from "node:assert/strict";
import { customResourceDefinitions } from "../../src/api/custom-resources.ts";
import type { JsonObject } from "../../src/api/kind.ts";
import { selfSignedRoot } from "../../src/ca/certificate.ts";
import {
  defaultValidator,
  mutatingWebhookConfiguration,
  revisionTagWebhook,
  validatingWebhookConfiguration,
} from "../../src/inject/webhook-objects.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../../src/sources/json.ts";
import type { KubeCluster } from "./kube-cluster.ts";

export const ISTIO_NAMESPACE = "istio-system";
/** An older Istio's charts do not have this one. */
export const CRD_THAT_ISTIO_LACKS = "trafficextensions.extensions.istio.io";

const HELM = "helm";
const PILOT = "pilot-discovery";
const DAY_MS = 24 * 3600 * 1000;
const INSTALL = {
  revision: "default",
  namespace: ISTIO_NAMESPACE,
  enableNamespacesByDefault: false,
};

/** Objects of a Helm release. */
function released(release: string, object: JsonObject): JsonObject {
  const metadata = objectAt(object, "metadata");
  return {
    ...object,
    metadata: {
      ...metadata,
      annotations: {
        ...objectAt(metadata, "annotations"),
        "meta.helm.sh/release-name": release,
        "meta.helm.sh/release-namespace": ISTIO_NAMESPACE,
      },
      labels: {
        ...objectAt(metadata, "labels"),
        release,
        "app.kubernetes.io/instance": release,
        "app.kubernetes.io/managed-by": "Helm",
        "app.kubernetes.io/part-of": "istio",
        "app.kubernetes.io/version": "1.27.0",
      },
    },
  };
}

function named(kind: string, apiVersion: string, name: string, rest: JsonObject = {}): JsonObject {
  const { labels = {}, ...body } = rest;
  const metadata = { name, namespace: ISTIO_NAMESPACE, labels };
  return { apiVersion, kind, metadata, ...body };
}

function ofCluster(object: JsonObject): JsonObject {
  const { namespace: _namespace, ...metadata } = objectAt(object, "metadata");
  return { ...object, metadata };
}

function crds(): JsonObject[] {
  const labels = { app: "istio-pilot", chart: "istio", heritage: "Tiller" };
  return customResourceDefinitions()
    .filter(each => stringAt(objectAt(each, "metadata"), "name") !== CRD_THAT_ISTIO_LACKS)
    .map(each => {
      const { name } = objectAt(each, "metadata");
      const annotations = { "helm.sh/resource-policy": "keep" };
      return { ...each, metadata: { name: name ?? "", labels, annotations } };
    });
}

const RBAC = "rbac.authorization.k8s.io/v1";

function account(name: string, app: string, role: string): JsonObject[] {
  const rules = [{ apiGroups: [""], resources: ["pods", "services"], verbs: ["get", "list"] }];
  const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role };
  const subjects = [{ kind: "ServiceAccount", name, namespace: ISTIO_NAMESPACE }];
  return [
    named("ServiceAccount", "v1", name, { labels: { app } }),
    ofCluster(named("ClusterRole", RBAC, role, { labels: { app }, rules })),
    ofCluster(named("ClusterRoleBinding", RBAC, role, { labels: { app }, roleRef, subjects })),
  ];
}

function workload(name: string, labels: JsonObject, ports: readonly number[]): JsonObject[] {
  const container = { name: "main", image: "curlimages/curl:8.16.0", command: ["sleep", "3600"] };
  const spec = {
    replicas: 1,
    selector: { matchLabels: labels },
    template: {
      metadata: {
        labels: { ...labels, "istio.io/rev": "default", "sidecar.istio.io/inject": "false" },
      },
      spec: { terminationGracePeriodSeconds: 0, containers: [container] },
    },
  };
  const all = { ...labels, "istio.io/rev": "default" };
  const scaleTargetRef = { apiVersion: "apps/v1", kind: "Deployment", name };
  return [
    named("Deployment", "apps/v1", name, { labels: all, spec }),
    named("Service", "v1", name, {
      labels: all,
      spec: { selector: labels, ports: ports.map(port => ({ name: `p${port}`, port })) },
    }),
    named("PodDisruptionBudget", "policy/v1", name, {
      labels: all,
      spec: { minAvailable: 1, selector: { matchLabels: labels } },
    }),
    named("HorizontalPodAutoscaler", "autoscaling/v2", name, {
      labels: all,
      spec: { minReplicas: 1, maxReplicas: 5, scaleTargetRef },
    }),
  ];
}

/** Its webhooks are nobody's here, and must not hold up the test's objects. */
function ignored(object: JsonObject): JsonObject {
  const webhooks = arrayAt(object, "webhooks")
    .filter(isObject)
    .map(each => ({ ...each, failurePolicy: "Ignore", timeoutSeconds: 1 }));
  return { ...object, webhooks };
}

function charts(): JsonObject[] {
  const maps = [
    named("ConfigMap", "v1", "istio", {
      data: {
        mesh: "defaultConfig:\n  discoveryAddress: istiod.istio-system.svc:15012\ntrustDomain: cluster.local\nrootNamespace: istio-system\n",
        meshNetworks: "networks: {}",
      },
    }),
    named("ConfigMap", "v1", "istio-sidecar-injector", {
      data: { config: "policy: enabled\n", values: "{}" },
    }),
  ];
  const base = [
    ...crds(),
    ...account(
      "istio-reader-service-account",
      "istio-reader",
      "istio-reader-clusterrole-istio-system",
    ),
    ignored(defaultValidator(INSTALL)),
  ];
  const istiod = [
    ...account("istiod", "istiod", "istiod-clusterrole-istio-system"),
    ...maps,
    ...workload("istiod", { app: "istiod", istio: "pilot" }, [15010, 15012, 443, 15014]),
    mutatingWebhookConfiguration(INSTALL),
    ignored(validatingWebhookConfiguration(INSTALL)),
  ];
  const gateway = [
    named("ServiceAccount", "v1", "istio-ingressgateway-service-account"),
    ...workload(
      "istio-ingressgateway",
      { app: "istio-ingressgateway", istio: "ingressgateway" },
      [80],
    ),
  ];
  return [
    ...base.map(each => released("istio-base", each)),
    ...istiod.map(each => released("istiod", each)),
    ...gateway.map(each => released("istio-ingress", each)),
  ];
}

function leaderMap(name: string): JsonObject {
  const record = { holderIdentity: "istiod-5d", holderKey: "default", leaseDurationSeconds: 30 };
  const map = named("ConfigMap", "v1", name);
  const annotations = { "control-plane.alpha.kubernetes.io/leader": JSON.stringify(record) };
  return { ...map, metadata: { ...objectAt(map, "metadata"), annotations } };
}

/** What Istio's control plane makes itself. */
function runtime(root: string, key: string): JsonObject[] {
  const data = {
    "ca-cert.pem": root,
    "ca-key.pem": key,
    "root-cert.pem": root,
    "cert-chain.pem": "",
  };
  return [
    named("Secret", "v1", "istio-ca-secret", { type: "istio.io/ca-root", stringData: data }),
    ...["istio-leader", "istio-namespace-controller-election", "istio-gateway-status-leader"].map(
      leaderMap,
    ),
  ];
}

export interface IstioStandIn {
  /** PEM. */
  readonly root: string;
  /** What Istio's namespace controller does for a namespace. */
  giveRoot(namespace: string): Promise<void>;
}

/** Installed, and its pods are ready. */
export async function standInForIstio(cluster: KubeCluster): Promise<IstioStandIn> {
  const now = Date.now();
  const { certificatePem: root, privateKeyPem: key } = selfSignedRoot("cluster.local", {
    notBefore: now - DAY_MS,
    notAfter: now + 365 * DAY_MS,
  });
  const write = async (manager: string, items: readonly JsonObject[]): Promise<void> => {
    const input = JSON.stringify({ apiVersion: "v1", kind: "List", items });
    await cluster.must(["apply", "--server-side", "--field-manager", manager, "-f", "-"], {
      input,
    });
  };
  await cluster.must(["create", "namespace", ISTIO_NAMESPACE]);
  const [crd, rest] = [charts().filter(isCrd), charts().filter(each => !isCrd(each))];
  await write(HELM, crd);
  await cluster.must(["wait", "--for=condition=Established", "crd", "--all", "--timeout=120s"]);
  await write(HELM, rest);
  await write(PILOT, runtime(root, key));
  // istioctl tag set default
  await write("istioctl", [revisionTagWebhook(INSTALL, "default")]);
  const giveRoot = (namespace: string): Promise<void> =>
    write(PILOT, [
      {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: {
          name: "istio-ca-root-cert",
          namespace,
          labels: { "istio.io/config": "true" },
        },
        data: { "root-cert.pem": root },
      },
    ]);
  for (const namespace of [ISTIO_NAMESPACE, "default"]) await giveRoot(namespace);
  const deployments = ["deployment/istiod", "deployment/istio-ingressgateway"];
  const waiting = ["wait", "-n", ISTIO_NAMESPACE, "--for=condition=Available", ...deployments];
  await cluster.must([...waiting, "--timeout=120s"]);
  assert.match(root, /BEGIN CERTIFICATE/);
  return { root, giveRoot };
}

function isCrd(object: JsonObject): boolean {
  return object["kind"] === "CustomResourceDefinition";
}
