/**
 * The whole derivation, from objects to resources, without any source or stream: what the control
 * plane, `lateen discovery --files` and the comparison have in common.
 */
import { destinationRuleKind } from "../api/destination-rule/kind.ts";
import { endpointSliceKind } from "../api/endpoint-slice/kind.ts";
import { gatewayKind } from "../api/gateway/kind.ts";
import { ingressKind } from "../api/ingress/kind.ts";
import { ingressClassKind } from "../api/ingress-class/kind.ts";
import { namespaceKind } from "../api/namespace/kind.ts";
import { nodeKind } from "../api/node/kind.ts";
import { podKind } from "../api/pod/kind.ts";
import { serviceKind } from "../api/service/kind.ts";
import { serviceEntryKind } from "../api/service-entry/kind.ts";
import { serviceExportKind } from "../api/service-export/kind.ts";
import { serviceImportKind } from "../api/service-import/kind.ts";
import { sidecarKind } from "../api/sidecar/kind.ts";
import { virtualServiceKind } from "../api/virtual-service/kind.ts";
import { workloadEntryKind } from "../api/workload-entry/kind.ts";
import { createGraph } from "../flow/graph.ts";
import type { Graph } from "../flow/types.ts";
import { createInputs, type ModelInputs } from "../model/inputs.ts";
import { createModel, type Model } from "../model/model.ts";
import { bindInput, type InputBinding } from "../sources/input-writer.ts";
import { createResources } from "../xds/resources/resources.ts";
import { credentialBinding } from "./credential-input.ts";
import { createGatewayAccounts, type GatewayAccounts } from "./gateway-accounts.ts";
import type { PortNames } from "./port-names.ts";

export interface MeshGraph {
  readonly graph: Graph;
  readonly inputs: ModelInputs;
  readonly model: Model;
  readonly resources: ReturnType<typeof createResources>;
  readonly gatewayAccounts: GatewayAccounts;
}

export function createMeshGraph(): MeshGraph {
  const graph = createGraph();
  const inputs = createInputs(graph);
  const model = createModel(graph, inputs);
  const resources = createResources(graph, model);
  return { graph, inputs, model, resources, gatewayAccounts: createGatewayAccounts(graph, inputs) };
}

/** All kinds that configuration is made from. Without `ports` nothing depends on what was before. */
export function inputBindings(inputs: ModelInputs, ports?: PortNames): InputBinding[] {
  return [
    bindInput(namespaceKind, inputs.namespaces),
    bindInput(nodeKind, inputs.nodes),
    bindInput(podKind, inputs.pods),
    bindInput(serviceKind, inputs.services, ports?.onService),
    bindInput(endpointSliceKind, inputs.endpointSlices, ports?.onSlice),
    bindInput(serviceEntryKind, inputs.serviceEntries),
    bindInput(workloadEntryKind, inputs.workloadEntries),
    bindInput(virtualServiceKind, inputs.virtualServices),
    bindInput(destinationRuleKind, inputs.destinationRules),
    bindInput(gatewayKind, inputs.gateways),
    bindInput(sidecarKind, inputs.sidecars),
    bindInput(ingressKind, inputs.ingresses),
    bindInput(ingressClassKind, inputs.ingressClasses),
    bindInput(serviceExportKind, inputs.serviceExports),
    bindInput(serviceImportKind, inputs.serviceImports),
    credentialBinding(inputs.credentials),
  ];
}
