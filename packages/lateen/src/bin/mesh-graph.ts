/**
 * The whole derivation, from objects to resources, without any source or stream: what the control
 * plane, `lateen discovery --files` and the comparison have in common.
 */
import { destinationRuleKind } from "../api/destination-rule/kind.ts";
import { endpointSliceKind } from "../api/endpoint-slice/kind.ts";
import { gatewayKind } from "../api/gateway/kind.ts";
import type { ApiObject, JsonObject, Kind } from "../api/kind.ts";
import { nodeKind } from "../api/node/kind.ts";
import { podKind } from "../api/pod/kind.ts";
import { serviceKind } from "../api/service/kind.ts";
import { serviceEntryKind } from "../api/service-entry/kind.ts";
import { sidecarKind } from "../api/sidecar/kind.ts";
import { virtualServiceKind } from "../api/virtual-service/kind.ts";
import { workloadEntryKind } from "../api/workload-entry/kind.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import { createGraph } from "../flow/graph.ts";
import type { Graph, InputCollection, Writer } from "../flow/types.ts";
import { createInputs, type ModelInputs } from "../model/inputs.ts";
import { createModel, type Model } from "../model/model.ts";
import { createResources } from "../xds/resources/resources.ts";

export interface MeshGraph {
  readonly graph: Graph;
  readonly inputs: ModelInputs;
  readonly model: Model;
  readonly resources: ReturnType<typeof createResources>;
}

export function createMeshGraph(): MeshGraph {
  const graph = createGraph();
  const inputs = createInputs(graph);
  const model = createModel(graph, inputs);
  return { graph, inputs, model, resources: createResources(graph, model) };
}

/** A kind and the collection that its objects go to. */
export interface InputBinding {
  readonly kind: Kind;
  /** The row is set only when `write` is called, inside a commit. */
  decode(object: JsonObject): {
    readonly diagnostics: readonly Diagnostic[];
    /** undefined: the object is not acceptable. */
    readonly write: ((writer: Writer, key: string) => void) | undefined;
  };
}

/** All kinds that configuration is made from. */
export function inputBindings(inputs: ModelInputs): InputBinding[] {
  return [
    bind(nodeKind, inputs.nodes),
    bind(podKind, inputs.pods),
    bind(serviceKind, inputs.services),
    bind(endpointSliceKind, inputs.endpointSlices),
    bind(serviceEntryKind, inputs.serviceEntries),
    bind(workloadEntryKind, inputs.workloadEntries),
    bind(virtualServiceKind, inputs.virtualServices),
    bind(destinationRuleKind, inputs.destinationRules),
    bind(gatewayKind, inputs.gateways),
    bind(sidecarKind, inputs.sidecars),
  ];
}

function bind<T extends ApiObject>(kind: Kind<T>, collection: InputCollection<T>): InputBinding {
  return {
    kind,
    decode: object => {
      const decoded = kind.decode(object);
      const { diagnostics } = decoded;
      if (!decoded.ok) return { diagnostics, write: undefined };
      return { diagnostics, write: (writer, key) => writer.set(collection, key, decoded.value) };
    },
  };
}
