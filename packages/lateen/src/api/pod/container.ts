/** Containers of a pod (core/v1), typed where the mesh or the local runtime reads them. */
import { dnsLabel, envName, portName } from "../names.ts";
import {
  any,
  boolean,
  describe,
  enumOf,
  integer,
  intOrString,
  list,
  map,
  object,
  optional,
  orElse,
  required,
  type StringCheck,
  string,
  type TypeOf,
  withDefault,
} from "../schema.ts";

const exec = object({ command: list(string()) });
const port = intOrString({ check: portName });
const httpGet = object({
  path: withDefault(string(), "/"),
  port: required(port),
  host: string(),
  scheme: withDefault(enumOf(["HTTP", "HTTPS"]), "HTTP"),
  httpHeaders: list(object({ name: required(string()), value: required(string()) })),
});
const tcpSocket = object({ port: required(port), host: string() });
const grpc = object({
  port: required(integer({ min: 1, max: 65535 })),
  service: withDefault(string(), ""),
});

const probe = object(
  {
    exec,
    httpGet,
    tcpSocket,
    grpc,
    initialDelaySeconds: orElse(integer({ min: 0, description: "Wait before the first." }), 0),
    timeoutSeconds: withDefault(integer({ min: 1, description: "Later is a failure." }), 1),
    periodSeconds: withDefault(integer({ min: 1, description: "Time between two." }), 10),
    successThreshold: withDefault(integer({ min: 1, description: "To be well again." }), 1),
    failureThreshold: withDefault(integer({ min: 1, description: "To have failed." }), 3),
    terminationGracePeriodSeconds: integer({ min: 1 }),
  },
  { exclusive: [["exec", "httpGet", "tcpSocket", "grpc"]] },
);

const lifecycleHandler = object(
  { exec, httpGet, tcpSocket, sleep: object({ seconds: required(integer({ min: 0 })) }) },
  { exclusive: [["exec", "httpGet", "tcpSocket", "sleep"]] },
);

const keySelector = object({
  name: orElse(string(), ""),
  key: required(string()),
  optional: boolean(),
});
const envVar = object({
  name: required(string({ check: envName })),
  value: string(),
  valueFrom: object(
    {
      fieldRef: object({
        apiVersion: withDefault(string(), "v1"),
        fieldPath: required(string()),
      }),
      resourceFieldRef: object({
        containerName: string(),
        resource: required(string()),
        divisor: string({ numberToo: true }),
      }),
      configMapKeyRef: keySelector,
      secretKeyRef: keySelector,
      fileKeyRef: any(),
    },
    {
      exclusive: [
        ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"],
      ],
    },
  ),
});
const source = object({ name: orElse(string(), ""), optional: boolean() });
const envFrom = object({ prefix: string(), configMapRef: source, secretRef: source });

const containerPort = object({
  containerPort: required(integer({ min: 1, max: 65535 })),
  name: string({ check: portName }),
  protocol: withDefault(enumOf(["TCP", "UDP", "SCTP"]), "TCP"),
  hostPort: integer({ min: 0, max: 65535 }),
  hostIP: string(),
});

const quantities = map(string({ numberToo: true }));
const resources = object({ limits: quantities, requests: quantities, claims: any() });

const mountPath: StringCheck = text => (text.includes(":") ? "a path without a colon" : undefined);
const subPath: StringCheck = text =>
  text.startsWith("/") ? "a path below the volume, without a slash at its beginning" : undefined;

const volumeMount = object({
  name: required(string()),
  mountPath: required(string({ checkNew: mountPath })),
  readOnly: boolean(),
  subPath: string({ checkNew: subPath }),
  subPathExpr: string(),
  mountPropagation: string(),
  recursiveReadOnly: string(),
});

export const container = object({
  name: required(string({ check: dnsLabel, description: "Unique in the pod." })),
  image: string({ description: "Image to run; informational in the local mode." }),
  command: list(string(), { description: "The program; in the local mode it is required." }),
  args: list(string(), { description: "Arguments of the program." }),
  workingDir: string(),
  env: list(envVar, { patchMergeKey: "name", mapKeys: ["name"] }),
  envFrom: list(envFrom),
  ports: list(containerPort, {
    patchMergeKey: "containerPort",
    mapKeys: ["containerPort", "protocol"],
  }),
  resources: withDefault(resources, {}),
  volumeMounts: list(volumeMount, { patchMergeKey: "mountPath", mapKeys: ["mountPath"] }),
  volumeDevices: any(),
  livenessProbe: describe("The container is started again when this fails.", probe),
  readinessProbe: describe("The pod gets no requests while this fails.", probe),
  startupProbe: describe("The other probes wait for this one.", probe),
  lifecycle: object({
    preStop: lifecycleHandler,
    postStart: lifecycleHandler,
    stopSignal: string(),
  }),
  terminationMessagePath: withDefault(string(), "/dev/termination-log"),
  terminationMessagePolicy: withDefault(enumOf(["File", "FallbackToLogsOnError"]), "File"),
  imagePullPolicy: enumOf(["Always", "IfNotPresent", "Never"]),
  securityContext: object(
    {
      runAsUser: integer({ min: 0 }),
      runAsGroup: integer({ min: 0 }),
      runAsNonRoot: boolean(),
      allowPrivilegeEscalation: boolean(),
      capabilities: object({ add: list(string()), drop: list(string()) }),
    },
    { open: true },
  ),
  restartPolicy: string({ description: "Always makes an init container a sidecar." }),
  restartPolicyRules: any(),
  resizePolicy: any(),
  stdin: boolean(),
  stdinOnce: boolean(),
  tty: boolean(),
});

export const containers = list(container, { patchMergeKey: "name", mapKeys: ["name"] });
export const initContainers = optional(containers);

export type Container = TypeOf<typeof container>;
export type Probe = TypeOf<typeof probe>;
export type EnvVar = TypeOf<typeof envVar>;
export type ContainerPort = TypeOf<typeof containerPort>;
