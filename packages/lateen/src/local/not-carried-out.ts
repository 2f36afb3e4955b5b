/**
 * Fields of Kubernetes' own kinds that a cluster carries out and a mesh on one machine does not. They
 * are no matter of the kinds themselves: where pods run in Kubernetes, all of this holds.
 */
import type { Json, JsonObject } from "../api/kind.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import { isObject, stringAt } from "../sources/json.ts";
import { standInFor } from "./stand-ins.ts";

/** One field, or all fields of one object but some, that have no effect. */
export interface LocalRule {
  /** `containers[].lifecycle`: a part with `[]` stands for every item. */
  readonly path: string;
  /** Values that ask for nothing but what happens anyway. */
  readonly unless?: readonly Json[];
  /** The rule is for the other fields of the object at `path`. */
  readonly but?: readonly string[];
  /** In place of "it has no effect". */
  readonly effect?: string;
}

const PROXY = "istio-proxy";

/** Where pods' containers are, by kind. */
const CONTAINERS: Readonly<Record<string, readonly string[]>> = {
  Pod: ["spec.containers[]", "spec.initContainers[]"],
  Deployment: ["spec.template.spec.containers[]", "spec.template.spec.initContainers[]"],
};

const SCHEDULING = "it has no effect; nodeSelector chooses the node";

/** What has no effect in each container; of an init container the same. */
const CONTAINER: readonly LocalRule[] = [
  { path: "env[].valueFrom.resourceFieldRef", effect: "the container does not start" },
  { path: "env[].valueFrom.fileKeyRef", effect: "the container does not start" },
  { path: "lifecycle.preStop.tcpSocket" },
  { path: "lifecycle.postStart.tcpSocket" },
  { path: "lifecycle.stopSignal" },
  { path: "livenessProbe.terminationGracePeriodSeconds" },
  { path: "readinessProbe.terminationGracePeriodSeconds" },
  { path: "startupProbe.terminationGracePeriodSeconds" },
  { path: "ports[].hostIP" },
  { path: "ports[].hostPort", unless: [0] },
  { path: "resizePolicy" },
  { path: "resources.claims" },
  { path: "resources.limits" },
  { path: "resources.requests" },
  { path: "restartPolicyRules" },
  {
    path: "securityContext",
    but: ["runAsUser", "runAsGroup", "runAsNonRoot", "capabilities", "allowPrivilegeEscalation"],
  },
  { path: "stdin", unless: [false] },
  { path: "stdinOnce", unless: [false] },
  { path: "terminationMessagePath", unless: ["/dev/termination-log"] },
  { path: "terminationMessagePolicy", unless: ["File"] },
  { path: "tty", unless: [false] },
  { path: "volumeDevices" },
  { path: "volumeMounts[].mountPropagation", unless: ["None"] },
  { path: "volumeMounts[].recursiveReadOnly", unless: ["Disabled"] },
  { path: "volumeMounts[].subPathExpr" },
];

function within(place: string, rules: readonly LocalRule[]): LocalRule[] {
  return rules.map(rule => ({ ...rule, path: `${place}.${rule.path}` }));
}

const POD_SPEC: readonly LocalRule[] = [
  ...within("containers[]", CONTAINER),
  { path: "containers[].restartPolicy", effect: "the pod's restartPolicy holds" },
  ...within("initContainers[]", CONTAINER),
  { path: "activeDeadlineSeconds" },
  { path: "affinity", effect: SCHEDULING },
  { path: "automountServiceAccountToken", unless: [false], effect: "no token is mounted" },
  { path: "dnsConfig" },
  { path: "dnsPolicy", unless: ["ClusterFirst"] },
  { path: "ephemeralContainers" },
  { path: "hostIPC", unless: [false] },
  { path: "hostNetwork", unless: [false], effect: "the pod gets a network of its own" },
  { path: "hostPID", unless: [false] },
  { path: "hostUsers", unless: [true] },
  { path: "hostnameOverride" },
  { path: "os" },
  { path: "overhead" },
  { path: "preemptionPolicy" },
  { path: "priority", unless: [0] },
  { path: "priorityClassName" },
  { path: "readinessGates" },
  { path: "resourceClaims" },
  { path: "resources" },
  { path: "runtimeClassName" },
  { path: "schedulerName", unless: ["default-scheduler"] },
  { path: "schedulingGates", effect: "the pod is started at once" },
  { path: "securityContext", but: ["runAsUser", "runAsGroup", "runAsNonRoot"] },
  { path: "setHostnameAsFQDN", unless: [false] },
  { path: "tolerations" },
  { path: "topologySpreadConstraints", effect: SCHEDULING },
  {
    path: "volumes[]",
    but: ["name", "configMap", "secret", "emptyDir", "hostPath"],
    effect: "the pod does not start",
  },
  { path: "volumes[].configMap.defaultMode", unless: [0o644] },
  { path: "volumes[].configMap.items[].mode" },
  { path: "volumes[].emptyDir.medium", unless: ["", "Memory"], effect: "it is in memory" },
  { path: "volumes[].emptyDir.sizeLimit" },
  { path: "volumes[].hostPath.type", unless: ["", "Directory", "File"] },
  { path: "volumes[].secret.defaultMode", unless: [0o644] },
  { path: "volumes[].secret.items[].mode" },
  { path: "workloadRef" },
];

const ONE_MACHINE = "it has no effect on one machine";

/** By kind; the path begins at the object. */
export const LOCAL_RULES: Readonly<Record<string, readonly LocalRule[]>> = {
  Pod: within("spec", POD_SPEC),
  Deployment: [
    ...within("spec.template.spec", POD_SPEC),
    { path: "spec.revisionHistoryLimit", unless: [10], effect: "no history is kept" },
    { path: "spec.template.metadata.finalizers" },
  ],
  Service: [
    { path: "spec.allocateLoadBalancerNodePorts", unless: [true, false] },
    { path: "spec.externalIPs", effect: "no address but the virtual one leads to the service" },
    { path: "spec.externalTrafficPolicy", unless: ["Cluster"], effect: ONE_MACHINE },
    { path: "spec.healthCheckNodePort" },
    { path: "spec.ipFamilies", unless: [["IPv4"]], effect: "pods have IPv4 addresses" },
    { path: "spec.ipFamilyPolicy", unless: ["SingleStack"], effect: "pods have IPv4 addresses" },
    { path: "spec.loadBalancerClass" },
    { path: "spec.loadBalancerIP" },
    { path: "spec.loadBalancerSourceRanges", effect: "every source is let in" },
    { path: "spec.ports[].nodePort", unless: [0], effect: "the port is not opened" },
    { path: "spec.sessionAffinityConfig" },
    {
      path: "spec.type",
      unless: ["ClusterIP", "LoadBalancer", "ExternalName"],
      effect: "no port of the machine is opened; LoadBalancer gives an address",
    },
  ],
  Node: [
    { path: "spec.taints", effect: SCHEDULING },
    { path: "spec.unschedulable", unless: [false], effect: "pods go there as before" },
  ],
  ServiceAccount: [
    { path: "automountServiceAccountToken", unless: [false], effect: "no token is mounted" },
    { path: "secrets" },
  ],
};

/** One warning a rule, about the first place where it applies. */
export function notCarriedOut(kind: string, object: JsonObject): Diagnostic[] {
  return [...withoutProgram(kind, object), ...fieldsInVain(kind, object)];
}

/**
 * A container that Kubernetes would run by its image alone, and for whose image nothing stands in. What the
 * injector completes is none.
 */
function withoutProgram(kind: string, object: JsonObject): Diagnostic[] {
  return (CONTAINERS[kind] ?? []).flatMap(path =>
    find(object, path.split("."), "").flatMap(([place, container]) => {
      if (!isObject(container) || asks(container["command"])) return [];
      if (container["name"] === PROXY) return [];
      if (standInFor(stringAt(container, "image")) !== undefined) return [];
      const message =
        "is required in a local mesh, where images are not run: name the program, e.g. [sleep, infinity]; " +
        "the container does not start";
      return [{ severity: "warning", path: `${place}.command`, message, reason: "NotCarriedOut" }];
    }),
  );
}

function fieldsInVain(kind: string, object: JsonObject): Diagnostic[] {
  return (LOCAL_RULES[kind] ?? []).flatMap(rule => {
    const [first, ...more] = placesOf(rule, object);
    if (first === undefined) return [];
    const field = first.slice(first.lastIndexOf(".") + 1);
    const others = more.length === 0 ? "" : ` (and ${more.length} more like it)`;
    const effect = rule.effect ?? "it has no effect";
    return [
      {
        severity: "warning",
        path: first,
        message: `${field} is accepted but not carried out in a local mesh: ${effect}${others}`,
        reason: "NotCarriedOut",
      },
    ];
  });
}

function placesOf({ path, unless = [], but }: LocalRule, object: JsonObject): string[] {
  const same = new Set(unless.map(value => JSON.stringify(value)));
  return find(object, path.split("."), "").flatMap(([place, value]) => {
    if (but === undefined) return asks(value) && !same.has(JSON.stringify(value)) ? [place] : [];
    if (!isObject(value)) return [];
    const others = Object.keys(value).filter(key => !but.includes(key) && asks(value[key]));
    return others.map(key => `${place}.${key}`);
  });
}

/** null, "" and empty lists and objects are as good as absent. */
function asks(value: Json | undefined): boolean {
  if (value === undefined || value === null || value === "") return false;
  return typeof value !== "object" || Object.keys(value).length > 0;
}

function find(json: Json, [part, ...rest]: readonly string[], place: string): [string, Json][] {
  if (part === undefined) return [[place, json]];
  if (!isObject(json)) return [];
  const name = part.replace(/\[\]$/, "");
  const value = json[name];
  const here = place === "" ? name : `${place}.${name}`;
  if (value === undefined) return [];
  if (name === part) return find(value, rest, here);
  if (!Array.isArray(value)) return [];
  return value.flatMap((item: Json, i) => find(item, rest, `${here}[${i}]`));
}
