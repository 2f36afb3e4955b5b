/** The demo application's objects, for tests that want more than one of it or change it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments, stringify } from "yaml";
import type { RunningMesh } from "./running-mesh.ts";

const file = join(import.meta.dirname, "../../../../samples/demoapp/demoapp-v10.yaml");

export interface DemoappOptions {
  readonly name: string;
  readonly replicas?: number;
  /** Of the pod template: another one makes a rollout. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** Of the pods, beside their own. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly command?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Merged into the Deployment's spec. */
  readonly spec?: object;
  /** Merged into its container. */
  readonly container?: object;
}

/** A Deployment of the demo application and its Service on 8080, as `apply -f -` takes it. */
export function demoapp(options: DemoappOptions): string {
  const { name, replicas = 1 } = options;
  const labels = { app: name, version: "v1.0" };
  const [deployment, service] = parseAllDocuments(readFileSync(file, "utf8")).map(each =>
    each.toJS(),
  );
  const [container] = deployment.spec.template.spec.containers;
  deployment.metadata = { name, labels };
  Object.assign(container, options.container);
  if (options.command !== undefined) container.command = options.command;
  for (const [key, value] of Object.entries(options.env ?? {}))
    container.env.push({ name: key, value });
  deployment.spec.template.metadata = {
    labels: { ...labels, ...options.labels },
    annotations: options.annotations ?? {},
  };
  Object.assign(deployment.spec, { replicas, selector: { matchLabels: labels } }, options.spec);
  service.metadata = { name };
  service.spec.selector = labels;
  return [deployment, service].map(each => stringify(each)).join("---\n");
}

interface DeploymentJson {
  readonly metadata: { readonly generation: number };
  readonly spec: { readonly replicas: number };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly replicas?: number;
    readonly updatedReplicas?: number;
    readonly availableReplicas?: number;
  };
}

/** Waits until a Deployment is as declared, and none of its pods is still on its way out. */
export async function rolledOut(
  mesh: RunningMesh,
  name: string,
  timeoutMs = 60_000,
): Promise<void> {
  await mesh.until(
    `rollout of ${name}`,
    async () => {
      const { metadata, spec, status } = await mesh.json<DeploymentJson>(`get deploy ${name}`);
      const wanted = spec.replicas;
      if (status?.observedGeneration !== metadata.generation) return false;
      const counts = [status.replicas, status.updatedReplicas, status.availableReplicas];
      if (!counts.every(count => (count ?? 0) === wanted)) return false;
      return (await mesh.pods(`${name}-`)).length === wanted;
    },
    timeoutMs,
  );
}
