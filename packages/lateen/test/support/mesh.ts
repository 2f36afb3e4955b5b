/** A model with its resources, edited and looked at as tests need it. */
import { createGatewayAccounts, type GatewayAccounts } from "../../src/bin/gateway-accounts.ts";
import { createGraph } from "../../src/flow/graph.ts";
import type {
  Cell,
  CellFamily,
  CommitStats,
  Graph,
  InputCollection,
} from "../../src/flow/types.ts";
import { createInputs, MESH_KEY, type ModelInputs, objectKey } from "../../src/model/inputs.ts";
import { createModel, type Model } from "../../src/model/model.ts";
import type { ProxyClass } from "../../src/model/proxies.ts";
import type { ConnectedProxy, Mesh } from "../../src/model/types.ts";
import { type EncodedResource, TypeUrl } from "../../src/xds/resource.ts";
import { viewKey } from "../../src/xds/resources/family.ts";
import { createResources, type Resources } from "../../src/xds/resources/resources.ts";
import { MESH } from "./mesh-objects.ts";

interface Named {
  readonly metadata: { readonly namespace: string; readonly name: string };
}

export class TestMesh {
  readonly graph: Graph;
  readonly inputs: ModelInputs;
  readonly model: Model;
  readonly resources: Resources;
  readonly gatewayAccounts: GatewayAccounts;

  /** Cells are held from the first look on, as streams do, so that later looks are incremental. */
  readonly #held = new Map<string, Cell<unknown>>();

  constructor(mesh: Mesh = MESH) {
    this.graph = createGraph();
    this.inputs = createInputs(this.graph);
    this.model = createModel(this.graph, this.inputs);
    this.resources = createResources(this.graph, this.model);
    this.gatewayAccounts = createGatewayAccounts(this.graph, this.inputs);
    this.graph.commit({ source: "test" }, w => w.set(this.inputs.mesh, MESH_KEY, mesh));
  }

  set<T extends Named>(collection: InputCollection<T>, ...objects: readonly T[]): CommitStats {
    return this.graph.commit({ source: "test" }, w => {
      for (const object of objects) w.set(collection, objectKey(object.metadata), object);
    });
  }

  remove(collection: InputCollection<never> | InputCollection<unknown>, key: string): CommitStats {
    return this.graph.commit({ source: "test" }, w => w.delete(collection, key));
  }

  connect(...proxies: readonly ConnectedProxy[]): CommitStats {
    return this.graph.commit({ source: "test" }, w => {
      for (const proxy of proxies) w.set(this.inputs.proxies, objectKey(proxy), proxy);
    });
  }

  classOf(proxy: string): ProxyClass {
    const row = this.model.proxies.rows.get(proxy);
    if (row === undefined) throw new Error(`no proxy ${proxy}`);
    return row.class;
  }

  /** Names that a wildcard subscription of the proxy has. */
  names(proxy: string, type: keyof Resources): readonly string[] {
    const { names, wildcardViews } = this.resources[type];
    return wildcardViews(this.classOf(proxy)).flatMap(view => this.#value(names, view));
  }

  resource(proxy: string, type: keyof Resources, name: string): EncodedResource | undefined {
    const { cells, wildcardViews, namedView } = this.resources[type];
    const proxyClass = this.classOf(proxy);
    const views = wildcardViews(proxyClass);
    for (const view of views.length > 0 ? views : [namedView(proxyClass)(name)]) {
      const found = this.#value(cells, viewKey(view, name));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /**
   * All that a proxy holds, by type and name: what wildcards give, endpoints of its clusters, and
   * of `routes` those that there are.
   */
  everything(proxy: string, routes: readonly string[]): ReadonlyMap<string, EncodedResource> {
    const found = new Map<string, EncodedResource>();
    const add = (type: keyof Resources, name: string): void => {
      const resource = this.resource(proxy, type, name);
      if (resource !== undefined) found.set(`${type} ${name}`, resource);
    };
    for (const type of [TypeUrl.cluster, TypeUrl.listener, TypeUrl.virtualHost] as const)
      for (const name of this.names(proxy, type)) add(type, name);
    for (const name of this.names(proxy, TypeUrl.cluster)) add(TypeUrl.endpoint, name);
    for (const name of routes) add(TypeUrl.route, name);
    return found;
  }

  #value<T>(family: CellFamily<T>, key: string): T {
    const id = `${family.name} ${key}`;
    const cell = this.#held.get(id) ?? family.acquire(key);
    this.#held.set(id, cell);
    return (cell as Cell<T>).value();
  }
}
