/** Where the measured control plane reads the load from: a store's API, or a folder of YAML. */
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import type { JsonObject } from "../src/api/kind.ts";
import { endChild, startHelper } from "./child.ts";
import {
  CHANGED_SERVICE,
  clashingEntries,
  endpointSlice,
  type LoadSize,
  serviceName,
  serviceObjects,
  sidecarsOf,
  virtualService,
} from "./load.ts";
import { nameOf, request } from "./request.ts";

export type SourceName = "store" | "files";

export interface ConfigUnderTest {
  /** Arguments of `lateen discovery`. */
  readonly args: readonly string[];
  /** The changed service gets this many endpoints. */
  setEndpoints(count: number): Promise<void>;
  /** The changed service's VirtualService sends this share to its first subset. */
  setWeight(weight: number): Promise<void>;
  close(): Promise<void>;
}

export function openConfig(
  source: SourceName,
  size: LoadSize,
  directory: string,
): Promise<ConfigUnderTest> {
  return source === "store" ? openStoreConfig(size, directory) : openFiles(size, directory);
}

async function openStoreConfig(size: LoadSize, directory: string): Promise<ConfigUnderTest> {
  const file = join(directory, "store.db");
  const { child, answer } = await startHelper<{ port: number }>("store-process.ts", {
    size,
    file,
  });
  const url = `http://127.0.0.1:${answer.port}`;
  const { name, namespace } = serviceName(size, CHANGED_SERVICE);
  const patch = async (path: string, body: JsonObject): Promise<void> => {
    const asked = {
      server: "the store",
      url: `${url}${path}`,
      init: {
        method: "PATCH",
        // Between two changes the server may close an idle connection just as it is used again.
        headers: { "content-type": "application/merge-patch+json", connection: "close" },
        body: JSON.stringify(body),
      },
    };
    const { status, text } = await request(asked);
    if (status !== 200) throw new Error(`${nameOf(asked)}: ${status} ${text}`);
  };
  const slices = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;
  const routes = `/apis/networking.istio.io/v1/namespaces/${namespace}/virtualservices`;
  return {
    args: ["--api-server", url],
    setEndpoints: count => {
      const { endpoints = [] } = endpointSlice(size, CHANGED_SERVICE, count);
      return patch(`${slices}/${name}-slice`, { endpoints });
    },
    setWeight: weight => {
      const { spec = {} } = virtualService(size, CHANGED_SERVICE, weight);
      return patch(`${routes}/${name}`, { spec });
    },
    close: () => endChild(child),
  };
}

/** A file a service, so that a change is a small file; files are exchanged whole. */
function openFiles(size: LoadSize, directory: string): Promise<ConfigUnderTest> {
  const folder = join(directory, "config");
  mkdirSync(folder);
  const write = (name: string, objects: readonly JsonObject[]): void => {
    const next = join(directory, `${name}.next`);
    writeFileSync(next, objects.map(each => stringify(each)).join("---\n"));
    renameSync(next, join(folder, `${name}.yaml`));
  };
  write("sidecars", [...sidecarsOf(size), ...clashingEntries(size)]);
  for (let i = 0; i < size.services; i++) {
    if (i !== CHANGED_SERVICE) write(`svc-${i}`, serviceObjects(size, i));
  }
  const [service = {}, slice = {}, rule = {}, route = {}, ...pods] = serviceObjects(
    size,
    CHANGED_SERVICE,
  );
  write("changed-service", [service, rule, ...pods]);
  write("changed-slice", [slice]);
  write("changed-route", [route]);
  return Promise.resolve({
    args: ["--files", folder],
    setEndpoints: async (count: number) => {
      write("changed-slice", [endpointSlice(size, CHANGED_SERVICE, count)]);
    },
    setWeight: async (weight: number) => {
      write("changed-route", [virtualService(size, CHANGED_SERVICE, weight)]);
    },
    close: async () => {},
  });
}
