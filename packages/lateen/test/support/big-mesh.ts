/** The mesh of the bench, in memory: services in ten namespaces, each with two versions. */
import { objectKey } from "../../src/model/inputs.ts";
import { TestMesh } from "./mesh.ts";
import {
  destinationRule,
  pod,
  service,
  slice,
  virtualService,
  weightedRoute,
} from "./mesh-objects.ts";

const NAMESPACE_COUNT = 10;
export const PORT = 8080;

export function namespaceOf(index: number): string {
  return `ns${index % NAMESPACE_COUNT}`;
}

export function hostOf(index: number): string {
  return `s${index}.${namespaceOf(index)}.svc.cluster.local`;
}

export interface BigMeshOptions {
  readonly services: number;
  /** Of each service. */
  readonly endpoints: number;
  /** Whose DestinationRule has two subsets, which a weighted VirtualService uses. */
  hasSubsets(index: number): boolean;
}

/** Services on port 8080, each with pods and a DestinationRule. */
export function bigMesh({ services, endpoints, hasSubsets }: BigMeshOptions): TestMesh {
  const mesh = new TestMesh();
  const { inputs } = mesh;
  mesh.graph.commit({ source: "test" }, w => {
    for (let i = 0; i < services; i++) {
      const at = `${namespaceOf(i)}/s${i}`;
      const one = service(
        { at },
        {
          clusterIP: `10.${100 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`,
          selector: { app: `s${i}` },
          ports: [{ name: "http", port: PORT }],
        },
      );
      w.set(inputs.services, at, one);
      w.set(inputs.endpointSlices, at, sliceOf(i, endpoints));
      for (let e = 0; e < endpoints; e++) {
        const each = podOf(i, e);
        w.set(inputs.pods, objectKey(each.metadata), each);
      }
      w.set(inputs.destinationRules, at, ruleOf(i, hasSubsets(i)));
      if (hasSubsets(i)) w.set(inputs.virtualServices, at, routesOf(i, 90));
    }
  });
  return mesh;
}

function addressOf(index: number, endpoint: number): string {
  const number = index * 16 + endpoint;
  return `10.${1 + (number >> 16)}.${(number >> 8) & 255}.${number & 255}`;
}

export function podOf(
  index: number,
  endpoint: number,
  more: { readonly account?: string; readonly labels?: Readonly<Record<string, string>> } = {},
): ReturnType<typeof pod> {
  const version = endpoint % 2 === 0 ? "v1" : "v2";
  return pod(
    {
      at: `${namespaceOf(index)}/s${index}-${endpoint}`,
      labels: { app: `s${index}`, version, ...more.labels },
    },
    { ip: addressOf(index, endpoint), account: more.account ?? `sa${index}` },
  );
}

export function sliceOf(
  index: number,
  endpoints: number,
  notReady?: number,
): ReturnType<typeof slice> {
  return slice(`${namespaceOf(index)}/s${index}`, {
    service: `s${index}`,
    ports: { http: PORT },
    pods: Array.from({ length: endpoints }, (_, e) => ({
      name: `s${index}-${e}`,
      ip: addressOf(index, e),
      conditions: { ready: e !== notReady },
    })),
  });
}

export function ruleOf(
  index: number,
  hasSubsets: boolean,
  simple: "ROUND_ROBIN" | "RANDOM" = "ROUND_ROBIN",
): ReturnType<typeof destinationRule> {
  return destinationRule(
    { at: `${namespaceOf(index)}/s${index}` },
    {
      host: `s${index}`,
      trafficPolicy: { loadBalancer: { simple } },
      subsets: (hasSubsets ? ["v1", "v2"] : []).map(name => ({ name, labels: { version: name } })),
    },
  );
}

export function routesOf(index: number, weight: number): ReturnType<typeof virtualService> {
  return virtualService(
    { at: `${namespaceOf(index)}/s${index}` },
    { hosts: [`s${index}`], http: [weightedRoute(`s${index}`, { v1: weight, v2: 100 - weight })] },
  );
}
