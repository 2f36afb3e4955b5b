/** The spec of pods, shared by Pod and by Deployment's template (core/v1 PodSpec). */
import { dnsLabel, dnsSubdomain } from "../names.ts";
import {
  any,
  boolean,
  enumOf,
  integer,
  list,
  map,
  newOnly,
  object,
  optional,
  orElse,
  required,
  string,
  type TypeOf,
  withDefault,
} from "../schema.ts";
import { containers, initContainers } from "./container.ts";

const keyToPath = object({ key: required(string()), path: required(string()), mode: integer() });

const volume = object(
  {
    name: required(string({ check: dnsLabel })),
    configMap: object({
      name: orElse(string(), ""),
      items: optional(list(keyToPath)),
      defaultMode: withDefault(integer(), 420),
      optional: boolean(),
    }),
    secret: object({
      secretName: orElse(string(), ""),
      items: optional(list(keyToPath)),
      defaultMode: withDefault(integer(), 420),
      optional: boolean(),
    }),
    emptyDir: object({ medium: string(), sizeLimit: string({ numberToo: true }) }),
    hostPath: object({ path: required(string()), type: withDefault(string(), "") }),
  },
  // The other three dozen sources are kept in the store and not read by us.
  { open: true, patchStrategy: "retainKeys" },
);

export const podSpec = object({
  containers: required(containers),
  initContainers,
  ephemeralContainers: optional(list(any())),
  volumes: list(volume, { patchMergeKey: "name", mapKeys: ["name"] }),
  serviceAccountName: string({ description: "Identity of the pod. Absent: default." }),
  serviceAccount: string({ description: "Older name of serviceAccountName." }),
  automountServiceAccountToken: boolean(),
  nodeName: string({ description: "The node it runs on; set by the scheduler." }),
  nodeSelector: map(string()),
  hostNetwork: boolean(),
  hostPID: boolean(),
  hostIPC: boolean(),
  hostUsers: boolean(),
  hostname: string({ check: dnsLabel }),
  hostnameOverride: string(),
  subdomain: string({ check: dnsLabel }),
  setHostnameAsFQDN: boolean(),
  shareProcessNamespace: boolean(),
  restartPolicy: withDefault(enumOf(["Always", "OnFailure", "Never"]), "Always"),
  terminationGracePeriodSeconds: withDefault(integer({ min: 0 }), 30),
  activeDeadlineSeconds: integer({ min: 1 }),
  dnsPolicy: withDefault(
    enumOf(["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"]),
    "ClusterFirst",
  ),
  dnsConfig: any(),
  hostAliases: optional(
    list(object({ ip: required(string()), hostnames: optional(list(string())) }), {
      patchMergeKey: "ip",
      mapKeys: ["ip"],
    }),
  ),
  schedulerName: withDefault(string(), "default-scheduler"),
  securityContext: withDefault(
    object(
      {
        runAsUser: integer({ min: 0 }),
        runAsGroup: integer({ min: 0 }),
        runAsNonRoot: newOnly(boolean()),
      },
      { open: true },
    ),
    {},
  ),
  imagePullSecrets: optional(
    list(object({ name: string() }), { patchMergeKey: "name", mapKeys: ["name"] }),
  ),
  affinity: any(),
  tolerations: optional(list(any())),
  topologySpreadConstraints: optional(list(any())),
  priority: integer(),
  priorityClassName: string({ check: dnsSubdomain }),
  preemptionPolicy: string(),
  readinessGates: optional(list(object({ conditionType: required(string()) }))),
  schedulingGates: optional(
    list(object({ name: required(string()) }), { patchMergeKey: "name", mapKeys: ["name"] }),
  ),
  enableServiceLinks: withDefault(boolean(), true),
  runtimeClassName: string(),
  overhead: any(),
  os: any(),
  resources: any(),
  resourceClaims: optional(list(any(), { patchMergeKey: "name", mapKeys: ["name"] })),
  workloadRef: any(),
});

export type PodSpec = TypeOf<typeof podSpec>;
