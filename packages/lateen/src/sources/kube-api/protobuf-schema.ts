/**
 * Kubernetes' protobuf form of those objects that `kubectl create` makes (k8s.io/api, generated.proto):
 * kubectl sends built-in kinds in it. Other fields than these are refused, never dropped.
 */

export type FieldType =
  | "string"
  | "integer"
  | "boolean"
  /** base64 in JSON. */
  | "bytes"
  | "time"
  | "intOrString"
  | "quantity"
  | MessageType;

export interface Field {
  readonly name: string;
  readonly type: FieldType;
  readonly form: "single" | "list" | "map";
  /** Go's pointers are only on the wire when set, also when they are set to zero. */
  readonly pointer: boolean;
}

export interface MessageType {
  readonly name: string;
  readonly fields: ReadonlyMap<number, Field>;
}

type Fields = Readonly<Record<number, Field>>;

function message(name: string, fields: Fields): MessageType {
  const entries = Object.entries(fields);
  return { name, fields: new Map(entries.map(([number, field]) => [Number(number), field])) };
}

function one(name: string, type: FieldType): Field {
  return { name, type, form: "single", pointer: false };
}

function pointer(name: string, type: FieldType): Field {
  return { name, type, form: "single", pointer: true };
}

function list(name: string, type: FieldType): Field {
  return { name, type, form: "list", pointer: false };
}

function map(name: string, type: FieldType): Field {
  return { name, type, form: "map", pointer: false };
}

const metadata = message("ObjectMeta", {
  1: one("name", "string"),
  2: one("generateName", "string"),
  3: one("namespace", "string"),
  5: one("uid", "string"),
  6: one("resourceVersion", "string"),
  7: one("generation", "integer"),
  8: one("creationTimestamp", "time"),
  11: map("labels", "string"),
  12: map("annotations", "string"),
  14: list("finalizers", "string"),
});

const namespace = message("Namespace", {
  1: one("metadata", metadata),
  2: one("spec", message("NamespaceSpec", { 1: list("finalizers", "string") })),
  3: one("status", message("NamespaceStatus", { 1: one("phase", "string") })),
});

const configMap = message("ConfigMap", {
  1: one("metadata", metadata),
  2: map("data", "string"),
  3: map("binaryData", "bytes"),
  4: pointer("immutable", "boolean"),
});

const secret = message("Secret", {
  1: one("metadata", metadata),
  2: map("data", "bytes"),
  3: one("type", "string"),
  4: map("stringData", "string"),
  5: pointer("immutable", "boolean"),
});

const serviceAccount = message("ServiceAccount", { 1: one("metadata", metadata) });

const servicePort = message("ServicePort", {
  1: one("name", "string"),
  2: one("protocol", "string"),
  3: one("port", "integer"),
  4: one("targetPort", "intOrString"),
  5: one("nodePort", "integer"),
  6: pointer("appProtocol", "string"),
});

const service = message("Service", {
  1: one("metadata", metadata),
  2: one(
    "spec",
    message("ServiceSpec", {
      1: list("ports", servicePort),
      2: map("selector", "string"),
      3: one("clusterIP", "string"),
      4: one("type", "string"),
      5: list("externalIPs", "string"),
      7: one("sessionAffinity", "string"),
      8: one("loadBalancerIP", "string"),
      10: one("externalName", "string"),
      11: one("externalTrafficPolicy", "string"),
      12: one("healthCheckNodePort", "integer"),
      13: one("publishNotReadyAddresses", "boolean"),
      17: pointer("ipFamilyPolicy", "string"),
      18: list("clusterIPs", "string"),
      19: list("ipFamilies", "string"),
    }),
  ),
  3: one("status", message("ServiceStatus", { 1: one("loadBalancer", message("Status", {})) })),
});

const container = message("Container", {
  1: one("name", "string"),
  2: one("image", "string"),
  3: list("command", "string"),
  4: list("args", "string"),
  5: one("workingDir", "string"),
  6: list(
    "ports",
    message("ContainerPort", {
      1: one("name", "string"),
      2: one("hostPort", "integer"),
      3: one("containerPort", "integer"),
      4: one("protocol", "string"),
      5: one("hostIP", "string"),
    }),
  ),
  7: list("env", message("EnvVar", { 1: one("name", "string"), 2: one("value", "string") })),
  8: one(
    "resources",
    message("ResourceRequirements", {
      1: map("limits", "quantity"),
      2: map("requests", "quantity"),
    }),
  ),
  13: one("terminationMessagePath", "string"),
  14: one("imagePullPolicy", "string"),
  20: one("terminationMessagePolicy", "string"),
});

const podSpec = message("PodSpec", {
  2: list("containers", container),
  3: one("restartPolicy", "string"),
  4: pointer("terminationGracePeriodSeconds", "integer"),
  5: pointer("activeDeadlineSeconds", "integer"),
  6: one("dnsPolicy", "string"),
  7: map("nodeSelector", "string"),
  8: one("serviceAccountName", "string"),
  9: one("serviceAccount", "string"),
  10: one("nodeName", "string"),
  16: one("hostname", "string"),
  17: one("subdomain", "string"),
  19: one("schedulerName", "string"),
});

const deployment = message("Deployment", {
  1: one("metadata", metadata),
  2: one(
    "spec",
    message("DeploymentSpec", {
      1: pointer("replicas", "integer"),
      2: pointer("selector", message("LabelSelector", { 1: map("matchLabels", "string") })),
      3: one(
        "template",
        message("PodTemplateSpec", { 1: one("metadata", metadata), 2: one("spec", podSpec) }),
      ),
      4: one("strategy", message("DeploymentStrategy", { 1: one("type", "string") })),
      5: one("minReadySeconds", "integer"),
      6: pointer("revisionHistoryLimit", "integer"),
      7: one("paused", "boolean"),
      9: pointer("progressDeadlineSeconds", "integer"),
    }),
  ),
  3: one("status", message("DeploymentStatus", {})),
});

/** By `APIVERSION KIND`. */
export const protobufMessages: ReadonlyMap<string, MessageType> = new Map([
  ["v1 Namespace", namespace],
  ["v1 ConfigMap", configMap],
  ["v1 Secret", secret],
  ["v1 ServiceAccount", serviceAccount],
  ["v1 Service", service],
  ["apps/v1 Deployment", deployment],
]);
