/** Installing: apply what is wanted, wait for it, take away what an earlier installation had beyond it. */
import type { JsonObject } from "../api/kind.ts";
import type { Clock } from "../base/clock.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { type ApplyOptions, applyObject } from "./apply.ts";
import { installedObjects, leftOver, ofMesh } from "./installed.ts";
import {
  type ComponentName,
  describeName,
  nameOf,
  type ObjectName,
  type PlannedObject,
} from "./objects.ts";
import { foreignObjects } from "./ownership.ts";
import { refusals } from "./preflight.ts";
import { hasNoReplicas, type NotReady, waitUntilReady } from "./readiness.ts";
import { removeObjects } from "./remove.ts";

/** What a person sees while it goes on. */
export interface Progress {
  /** Replaces what was said last of the same component. */
  working(component: string, text: string): void;
  done(component: string): void;
  warn(text: string): void;
}

export interface InstallOptions extends ApplyOptions {
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly revision: string;
  /** Of the control plane. */
  readonly namespace: string;
  readonly readinessTimeoutMs: number;
  readonly progress: Progress;
}

/** Names of components as istioctl prints them. */
export const TITLES: Readonly<Record<ComponentName, string>> = {
  Base: "Istio core",
  Pilot: "Istiod",
  IstiodRemote: "Istiod remote",
  EgressGateways: "Egress gateways",
  IngressGateways: "Ingress gateways",
};

const GATEWAYS: readonly ComponentName[] = ["EgressGateways", "IngressGateways"];

/** Gateways get their configuration from the control plane: they come when it is there. */
const STAGES: readonly (readonly ComponentName[])[] = [
  ["Base"],
  ["Pilot", "IstiodRemote"],
  GATEWAYS,
];

const RESTS =
  "istiod is to have 0 replicas (components.pilot.k8s.replicaCount, values.pilot.replicaCount): no control plane " +
  "will run. Pods that ask for injection are refused, and gateways are not waited for, as they get no configuration";

function isRestingDeployment({ object }: PlannedObject): boolean {
  return object["kind"] === "Deployment" && hasNoReplicas(object);
}

export interface InstallFailure {
  /** As istioctl prints it behind a cross. */
  readonly component: string;
  readonly messages: readonly string[];
  readonly hint?: string;
}

export async function installObjects(
  objects: readonly PlannedObject[],
  options: InstallOptions,
): Promise<InstallFailure | undefined> {
  const foreign = options.force ? undefined : await foreignObjects(options.client, objects);
  if (foreign !== undefined) return foreign;
  const refused = await refusals(options.client, objects);
  if (refused.length > 0) {
    const first = "the API server would refuse objects, and nothing was changed:";
    return { component: "Installation", messages: [first, ...refused] };
  }
  const rests = objects.some(each => each.component === "Pilot" && isRestingDeployment(each));
  if (rests) options.progress.warn(RESTS);
  for (const stage of STAGES) {
    const components = stage.filter(name => objects.some(each => each.component === name));
    for (const component of components) {
      const own = objects.filter(each => each.component === component);
      const failure = await applyAll(component, own, options);
      if (failure !== undefined) return failure;
    }
    for (const component of components) {
      const own = objects.filter(each => each.component === component).map(each => each.object);
      const isHopeless = rests && GATEWAYS.includes(component);
      const failure = isHopeless ? undefined : await ready(component, own, options);
      if (failure !== undefined) return failure;
      options.progress.done(TITLES[component]);
    }
  }
  return options.dryRun ? undefined : prune(objects, options);
}

async function applyAll(
  component: ComponentName,
  objects: readonly PlannedObject[],
  options: InstallOptions,
): Promise<InstallFailure | undefined> {
  const { client, progress } = options;
  progress.working(TITLES[component], `Processing resources for ${TITLES[component]}.`);
  const kept: string[] = [];
  for (const { object, yields = [] } of objects) {
    const result = await applyObject(client, object, { ...options, yields });
    if (!result.ok) {
      const { message, hint } = result;
      return { component: TITLES[component], messages: [message], ...(hint && { hint }) };
    }
    if (result.kept && object["kind"] !== "Namespace") kept.push(nameOf(object).name);
    for (const warning of result.warnings)
      progress.warn(`${describeName(nameOf(object))}: ${warning}`);
  }
  if (kept.length > 0)
    progress.warn(
      `${kept.length} objects that installations share are another's, and stay as they are`,
    );
  return undefined;
}

async function ready(
  component: ComponentName,
  objects: readonly JsonObject[],
  { client, clock, progress, readinessTimeoutMs, dryRun }: InstallOptions,
): Promise<InstallFailure | undefined> {
  if (dryRun) return undefined;
  const title = TITLES[component];
  const left = await waitUntilReady(objects, {
    client,
    clock,
    timeoutMs: readinessTimeoutMs,
    onWaiting: names => {
      const shown = names.map(shortName).join(", ");
      progress.working(title, `Processing resources for ${title}. Waiting for ${shown}`);
    },
  });
  if (left.length === 0) return undefined;
  const forGood = left.find(each => each.isForGood);
  if (forGood !== undefined) return neverReady(title, forGood);
  const seconds = Math.round(readinessTimeoutMs / 1000);
  const messages = left.map(({ name, why }) => `${shortName(name)} (${why})`);
  return { component: title, messages: [`not ready after ${seconds} s`, ...messages] };
}

/** Nothing that is installed says how many replicas there are to be, and somebody has said none. */
function neverReady(component: string, { name, why }: NotReady): InstallFailure {
  return {
    component,
    messages: [`${shortName(name)} is not ready, and waiting would not help: ${why}`],
    hint:
      `kubectl scale deployment ${name.name} -n ${name.namespace} --replicas 1, ` +
      "or --set components.pilot.k8s.replicaCount=1",
  };
}

function shortName({ kind, namespace, name }: ObjectName): string {
  return [kind, namespace, name].filter(part => part !== "").join("/");
}

/** Of this revision and namespace; what revisions share is only added to. */
async function prune(
  objects: readonly PlannedObject[],
  { client, revision, namespace, progress, clock }: InstallOptions,
): Promise<InstallFailure | undefined> {
  const found = await installedObjects(client);
  if (!found.ok)
    return { component: "Pruning", messages: [found.status.message ?? "can not list objects"] };
  const own = ofMesh(found.objects, namespace).filter(each => each.revision === revision);
  const extra = leftOver(
    own,
    objects.map(each => nameOf(each.object)),
  );
  const failures = await removeObjects(extra, {
    client,
    clock,
    onRemoved: name => progress.warn(`Pruned object ${describeName(name)}.`),
  });
  return failures.length === 0 ? undefined : { component: "Pruning", messages: failures };
}
