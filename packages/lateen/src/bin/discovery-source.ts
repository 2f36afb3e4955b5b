/** Where a control plane's objects come from, and what holds until they are there. */
import { join } from "node:path";
import type { Kind } from "../api/kind.ts";
import type { Mesh } from "../model/types.ts";
import { apiSource } from "../sources/api-source.ts";
import { ApiClient } from "../sources/client/api-client.ts";
import { httpTransport } from "../sources/client/http-transport.ts";
import { filesSource } from "../sources/files/files-source.ts";
import type { LastGood } from "../sources/input-writer.ts";
import { KubeSource } from "../sources/kube/kube-source.ts";
import type { ObjectSource } from "../sources/source.ts";
import { openDatabase } from "../sources/store/database.ts";
import { StoredLastGood } from "../sources/store/last-good.ts";
import type { DiscoveryOptions, DiscoverySource } from "./discovery-options.ts";
import { untilAnswered } from "./kube-cluster.ts";
import { type MeshConfigPlace, meshConfigPlace, startingMesh } from "./mesh-config-input.ts";

export function clientOf(source: DiscoverySource): ApiClient | undefined {
  if (source.kind === "kube") return source.client;
  if (source.kind === "files") return undefined;
  const { server, token, ca } = source;
  return new ApiClient(httpTransport({ server, token, ...(ca === undefined ? {} : { ca }) }));
}

export function objectSource(
  options: DiscoveryOptions,
  client: ApiClient | undefined,
  kinds: readonly Kind[],
  place: MeshConfigPlace | undefined,
  onViewChanged: () => void,
): ObjectSource {
  const { clock, log, random, source } = options;
  if (source.kind === "kube" && place !== undefined) {
    const common = { kinds, clock, random, log: log.scope("watch"), client: source.client };
    return new KubeSource({ name: "Kubernetes", meshConfig: place, onViewChanged, ...common });
  }
  if (source.kind === "files" || client === undefined) {
    const directory = source.kind === "files" ? source.directory : "";
    return filesSource({ directory, kinds, clock, log: log.scope("files") });
  }
  const name = "configuration API";
  return apiSource({ name, client, kinds, clock, random, log: log.scope("watch") });
}

export function lastGood(options: DiscoveryOptions): { lastGood?: LastGood } {
  if (options.stateDir === undefined) return {};
  const database = openDatabase(join(options.stateDir, "control-plane.db"));
  if (!database.ok) throw new Error(database.diagnostics.map(each => each.message).join("; "));
  return { lastGood: new StoredLastGood(database.value, options.log.scope("store")) };
}

/** What holds until the source has told of the mesh configuration. */
export function firstMesh(
  { source, clock, log }: DiscoveryOptions,
  client: ApiClient | undefined,
  base: Mesh,
  kept: LastGood | undefined,
): Promise<Mesh> {
  if (client === undefined) return Promise.resolve(base);
  if (source.kind !== "kube") return startingMesh(client, base, kept);
  const place = meshConfigPlace(source.systemNamespace, source.revision);
  return untilAnswered("mesh configuration", clock, log, () =>
    startingMesh(client, base, kept, place),
  );
}
