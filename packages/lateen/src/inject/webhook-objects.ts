/** The webhook configurations that an installation applies, as Istio's charts have them. */
import type { Json, JsonObject } from "../api/kind.ts";
import { REVISION_LABEL, TAG_LABEL } from "../api/revision-label.ts";
import { IGNORED_NAMESPACES, INJECT_LABEL, NAMESPACE_LABEL } from "../proxy/inject.ts";

export interface WebhookInstall {
  /** `default`, or the control plane's revision. */
  readonly revision: string;
  /** Where the control plane is. */
  readonly namespace: string;
  readonly enableNamespacesByDefault: boolean;
  /** External control planes: https://... instead of a Service; without a path. */
  readonly url?: string;
  /** `/cluster/NAME/net/NETWORK`, where the injector serves another cluster. */
  readonly pathSuffix?: string;
  readonly reinvocationPolicy?: "Never" | "IfNeeded";
}

type Selector = readonly JsonObject[];

const NOT_REFUSED = { key: INJECT_LABEL, operator: "NotIn", values: ["false"] };
const TIMEOUT_SECONDS = 10;

function isIn(key: string, ...values: string[]): JsonObject {
  return { key, operator: "In", values };
}

function absent(key: string): JsonObject {
  return { key, operator: "DoesNotExist" };
}

/** `istio-sidecar-injector`: a pod meets exactly one of its webhooks, or none. */
export function mutatingWebhookConfiguration(install: WebhookInstall): JsonObject {
  const { revision } = install;
  const isDefault = revision === "default";
  return {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "MutatingWebhookConfiguration",
    metadata: {
      name: injectorName(install),
      labels: { ...commonLabels(install), app: "sidecar-injector" },
    },
    webhooks: [
      ...revisionWebhooks(install, revision),
      ...(isDefault ? defaultWebhooks(install) : []),
    ],
  };
}

/** `istio-revision-tag-TAG`: namespaces labelled with the tag go to the revision behind it. */
export function revisionTagWebhook(install: WebhookInstall, tag: string): JsonObject {
  const isDefault = tag === "default";
  return {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "MutatingWebhookConfiguration",
    metadata: {
      name: `istio-revision-tag-${tag}${outside(install)}`,
      labels: { ...commonLabels(install), app: "sidecar-injector", [TAG_LABEL]: tag },
    },
    webhooks: [...revisionWebhooks(install, tag), ...(isDefault ? defaultWebhooks(install) : [])],
  };
}

function revisionWebhooks(install: WebhookInstall, label: string): Json[] {
  return [
    injectionWebhook(
      install,
      "rev.namespace",
      [isIn(REVISION_LABEL, label), absent(NAMESPACE_LABEL)],
      [NOT_REFUSED],
    ),
    injectionWebhook(
      install,
      "rev.object",
      [absent(REVISION_LABEL), absent(NAMESPACE_LABEL)],
      [NOT_REFUSED, isIn(REVISION_LABEL, label)],
    ),
  ];
}

function defaultWebhooks(install: WebhookInstall): Json[] {
  const unlabelled = [absent(NAMESPACE_LABEL), absent(REVISION_LABEL)];
  const asking = [isIn(INJECT_LABEL, "true"), absent(REVISION_LABEL)];
  const silent = [absent(INJECT_LABEL), absent(REVISION_LABEL)];
  const ordinary = {
    key: "kubernetes.io/metadata.name",
    operator: "NotIn",
    values: [...IGNORED_NAMESPACES],
  };
  return [
    injectionWebhook(install, "namespace", [isIn(NAMESPACE_LABEL, "enabled")], [NOT_REFUSED]),
    injectionWebhook(install, "object", unlabelled, asking),
    ...(install.enableNamespacesByDefault
      ? [injectionWebhook(install, "auto", [...unlabelled, ordinary], silent)]
      : []),
  ];
}

function injectionWebhook(
  install: WebhookInstall,
  name: string,
  namespaces: Selector,
  objects: Selector,
): Json {
  return {
    name: `${name}.sidecar-injector.istio.io`,
    clientConfig: clientConfig(install, `/inject${install.pathSuffix ?? ""}`),
    sideEffects: "None",
    rules: [{ operations: ["CREATE"], apiGroups: [""], apiVersions: ["v1"], resources: ["pods"] }],
    failurePolicy: "Fail",
    reinvocationPolicy: install.reinvocationPolicy ?? "Never",
    admissionReviewVersions: ["v1"],
    timeoutSeconds: TIMEOUT_SECONDS,
    namespaceSelector: { matchExpressions: namespaces },
    objectSelector: { matchExpressions: objects },
  };
}

/** `istio-validator-istio-system`: objects that carry the revision's label. */
export function validatingWebhookConfiguration(install: WebhookInstall): JsonObject {
  const suffix = install.revision === "default" ? "" : `-${install.revision}`;
  const objects = [isIn(REVISION_LABEL, install.revision)];
  return validator(
    install,
    `istio-validator${suffix}-${install.namespace}`,
    "rev.validation",
    objects,
  );
}

/** `istiod-default-validator`: objects without a revision; of the default revision only. */
export function defaultValidator(install: WebhookInstall): JsonObject {
  return validator(install, "istiod-default-validator", "validation", [absent(REVISION_LABEL)]);
}

/** It lets everything pass until the control plane has seen it work; see webhook-bundles.ts. */
function validator(
  install: WebhookInstall,
  name: string,
  webhook: string,
  objects: Selector,
): JsonObject {
  return {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "ValidatingWebhookConfiguration",
    metadata: { name, labels: { ...commonLabels(install), app: "istiod", istio: "istiod" } },
    webhooks: [
      {
        name: `${webhook}.istio.io`,
        clientConfig: clientConfig(install, "/validate"),
        rules: [
          {
            operations: ["CREATE", "UPDATE"],
            apiGroups: [
              "security.istio.io",
              "networking.istio.io",
              "telemetry.istio.io",
              "extensions.istio.io",
            ],
            apiVersions: ["*"],
            resources: ["*"],
          },
        ],
        failurePolicy: "Ignore",
        sideEffects: "None",
        admissionReviewVersions: ["v1"],
        timeoutSeconds: TIMEOUT_SECONDS,
        objectSelector: { matchExpressions: objects },
      },
    ],
  };
}

/** caBundle is put in by the control plane, which knows its root. */
function clientConfig(install: WebhookInstall, path: string): JsonObject {
  if (install.url !== undefined) return { url: `${install.url}${path}` };
  const name = serviceName(install.revision);
  return { service: { name, namespace: install.namespace, path, port: 443 } };
}

/** `istiod`, or `istiod-REVISION`. */
export function serviceName(revision: string): string {
  return revision === "default" ? "istiod" : `istiod-${revision}`;
}

function injectorName(install: WebhookInstall): string {
  const suffix = install.revision === "default" ? "" : `-${install.revision}`;
  return `istio-sidecar-injector${suffix}${outside(install)}`;
}

/** Control planes in other namespaces than istio-system say so in the names of cluster objects. */
function outside({ namespace }: WebhookInstall): string {
  return namespace === "istio-system" ? "" : `-${namespace}`;
}

function commonLabels({ revision }: WebhookInstall): JsonObject {
  return {
    [REVISION_LABEL]: revision,
    "install.operator.istio.io/owning-resource": "unknown",
    "operator.istio.io/component": "Pilot",
    release: "istio",
  };
}
