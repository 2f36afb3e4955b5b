/** The two containers that injection adds, as the kubelet needs them. */
import type { JsonObject } from "../api/kind.ts";
import type { Pod } from "../api/pod/schema.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import type { ProxyPlan } from "../proxy/inject-pod.ts";
import type { Interception } from "../proxy/interception.ts";
import type { ProxyUser } from "../proxy/interception-rules.ts";
import { interceptionScript } from "../proxy/interception-script.ts";
import { PROXY_CONTAINER } from "../proxy/sidecar-container.ts";
import { isObject, objectAt } from "../sources/json.ts";
import type { InjectorConfig } from "./config.ts";
import { drainCommand, exitOnZeroCommand } from "./drain.ts";
import type { PodInjection } from "./pod-injection.ts";
import { imageOf, settingsOf } from "./settings.ts";
import { proxyMounts } from "./volumes.ts";

export const INIT_CONTAINER = "istio-init";
const NATIVE_ANNOTATION = "sidecar.istio.io/nativeSidecar";
const DEFAULT_DRAIN_SECONDS = 5;

export interface KubeContainer {
  readonly container: JsonObject;
  /** An init container with restartPolicy Always. */
  readonly native: boolean;
  readonly warnings: readonly Diagnostic[];
}

/** The planned container with its mounts, life cycle and place. */
export function kubeContainer(request: PodInjection, pod: Pod, plan: ProxyPlan): KubeContainer {
  const { config } = request;
  const { proxy, imagePullPolicy } = config.values.global;
  const native = plan.type === "sidecar" && isNative(request, pod);
  const { startupProbe: probe, ...container } = plan.container;
  const { enabled, failureThreshold } = proxy.startupProbe;
  // A native sidecar without one would let the application start before Envoy is configured.
  const startupProbe = { ...objectAt(plan.container, "startupProbe"), failureThreshold };
  const lifecycle = isObject(proxy.lifecycle) ? proxy.lifecycle : lifecycleOf(request, pod, plan);
  const value: JsonObject = {
    ...container,
    ...(imagePullPolicy === "" ? {} : { imagePullPolicy }),
    ...(native ? { restartPolicy: "Always" } : {}),
    ...(probe !== undefined && (enabled || native) ? { startupProbe } : {}),
    ...(lifecycle === undefined ? {} : { lifecycle }),
    securityContext: {
      ...objectAt(plan.container, "securityContext"),
      ...(proxy.privileged ? { privileged: true, allowPrivilegeEscalation: true } : {}),
      ...(isObject(proxy.seccompProfile) ? { seccompProfile: proxy.seccompProfile } : {}),
    },
    volumeMounts: proxyMounts(plan),
  };
  return { container: value, native, warnings: warningsOf(request, pod, plan, native) };
}

function isNative({ features, config }: PodInjection, pod: Pod): boolean {
  // A truth value, as --set gives it, or a text.
  const said = String(
    pod.metadata.annotations[NATIVE_ANNOTATION] ??
      config.values.pilot.env["ENABLE_NATIVE_SIDECARS"],
  );
  if (said === "true" || said === "false") return said === "true";
  return features.nativeSidecars;
}

/** Whether the application is to wait for Envoy (ProxyConfig or values). */
export function holdsApplication(config: InjectorConfig, plan: ProxyPlan): boolean {
  return (
    plan.proxy.config.holdApplicationUntilProxyStarts ??
    config.values.global.proxy.holdApplicationUntilProxyStarts
  );
}

/**
 * Envoy cuts what is in flight when it gets SIGTERM: that comes only after the drain. The control
 * plane takes the pod out of its endpoints as soon as it is being deleted.
 */
function lifecycleOf(
  { features }: PodInjection,
  pod: Pod,
  plan: ProxyPlan,
): JsonObject | undefined {
  // Two handlers of one kind can not be merged.
  if (saysLifecycle(pod)) return undefined;
  if (plan.proxy.config.proxyMetadata["EXIT_ON_ZERO_ACTIVE_CONNECTIONS"] === "true")
    return { preStop: { exec: { command: exitOnZeroCommand(plan.proxy.config, plan.type) } } };
  // Kubernetes refuses a sleep that is longer than the pod's grace period.
  const seconds = Math.min(drainSeconds(plan), pod.spec.terminationGracePeriodSeconds - 1);
  if (seconds <= 0) return undefined;
  if (plan.type === "router") return { preStop: { exec: { command: drainCommand(seconds) } } };
  const handler = features.sleepAction
    ? { sleep: { seconds } }
    : { exec: { command: ["sleep", String(seconds)] } };
  return { preStop: handler };
}

function saysLifecycle({ spec }: Pod): boolean {
  return spec.containers.some(
    each => each.name === PROXY_CONTAINER && each.lifecycle !== undefined,
  );
}

function drainSeconds(plan: ProxyPlan): number {
  const ms = plan.proxy.config.terminationDrainDuration;
  return ms === undefined ? DEFAULT_DRAIN_SECONDS : Math.ceil(ms / 1000);
}

function warningsOf(
  request: PodInjection,
  pod: Pod,
  plan: ProxyPlan,
  native: boolean,
): Diagnostic[] {
  const warnings: Diagnostic[] = [];
  const warn = (path: string, message: string, reason: string): void => {
    warnings.push({ severity: "warning", path, message, reason });
  };
  if (!native && plan.type === "sidecar" && holdsApplication(request.config, plan))
    warn(
      "holdApplicationUntilProxyStarts",
      "without native sidecars (Kubernetes 1.29) nothing makes the application wait until the " +
        "proxy is ready: istio-proxy is only started first",
      "NotHeld",
    );
  if (!native && plan.type === "sidecar" && pod.spec.restartPolicy !== "Always")
    warn(
      "spec.restartPolicy",
      `a pod with restartPolicy ${pod.spec.restartPolicy} does not end while istio-proxy runs: ` +
        "POST http://localhost:15020/quitquitquit when the work is done",
      "NeverEnds",
    );
  const seconds = drainSeconds(plan);
  const grace = pod.spec.terminationGracePeriodSeconds;
  if (seconds >= grace && plan.proxy.config.terminationDrainDuration !== undefined)
    warn(
      "terminationDrainDuration",
      `draining takes ${seconds} s, but the pod is killed after ${grace} s ` +
        "(spec.terminationGracePeriodSeconds)",
      "DrainTooLong",
    );
  return warnings;
}

/** Nothing for gateways, interception mode NONE and where Istio's CNI plugin programs the rules. */
export function initContainer(
  config: InjectorConfig,
  plan: ProxyPlan,
  interception: Interception,
  version: string,
  proxyUser: ProxyUser,
): JsonObject[] {
  const { values } = config;
  const mode = plan.proxy.interceptionMode;
  if (plan.type === "router" || mode === "NONE" || usesCni(config)) return [];
  const { proxy_init: init, imagePullPolicy, proxy } = values.global;
  const { ipFamilies: families } = settingsOf(config, version);
  const { statusPort } = plan.proxy;
  const container: JsonObject = {
    name: INIT_CONTAINER,
    image: imageOf(config, init.image, version),
    ...(imagePullPolicy === "" ? {} : { imagePullPolicy }),
    command: ["/bin/sh", "-c"],
    args: [interceptionScript(interception, { mode, statusPort, families, proxyUser })],
    ...resourcesOf(init.resources),
    securityContext: {
      allowPrivilegeEscalation: proxy.privileged,
      privileged: proxy.privileged,
      capabilities: { add: ["NET_ADMIN", "NET_RAW"], drop: ["ALL"] },
      readOnlyRootFilesystem: false,
      runAsGroup: 0,
      runAsNonRoot: false,
      runAsUser: 0,
    },
  };
  return [container];
}

function usesCni({ values }: InjectorConfig): boolean {
  return values.istio_cni.enabled || values.pilot.cni.enabled;
}

function resourcesOf(
  resources: InjectorConfig["values"]["global"]["proxy_init"]["resources"],
): JsonObject {
  const { requests, limits } = resources;
  const none = Object.keys(requests).length + Object.keys(limits).length === 0;
  return none ? {} : { resources: { limits, requests } };
}
