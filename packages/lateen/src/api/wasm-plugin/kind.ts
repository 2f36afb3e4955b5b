/** extensions.istio.io WasmPlugin. */
import { defineKind, type ObjectOfKind } from "../define.ts";
import { creationColumn } from "../networking/columns.ts";
import { status } from "../networking/common.ts";
import { atMostOne, policySelector, targetRef, targetRefs } from "../policy/common.ts";
import { enumOf, notYet, object, required, string } from "../schema.ts";
import {
  categories,
  failStrategy,
  group,
  imagePullPolicy,
  imagePullSecret,
  moduleUrl,
  pluginConfig,
  pluginName,
  pluginType,
  priority,
  sha256,
  trafficMatch,
  vmConfig,
} from "./common.ts";

const fields = {
  spec: required(
    notYet(
      object(
        {
          selector: policySelector,
          targetRef,
          targetRefs,
          url: required(moduleUrl),
          sha256,
          verificationKey: string(),
          imagePullPolicy,
          imagePullSecret,
          pluginConfig,
          pluginName,
          type: pluginType,
          phase: enumOf(["UNSPECIFIED_PHASE", "AUTHN", "AUTHZ", "STATS"]),
          priority,
          failStrategy,
          match: trafficMatch,
          vmConfig,
        },
        { rules: [atMostOne("selector", "targetRef", "targetRefs")] },
      ),
    ),
  ),
  status,
};

export type WasmPlugin = ObjectOfKind<typeof fields>;

export const wasmPluginKind = defineKind({
  group,
  versions: ["v1alpha1"],
  kind: "WasmPlugin",
  plural: "wasmplugins",
  categories,
  subresources: ["status"],
  description: "A WebAssembly module in the proxies of some workloads.",
  fields,
  columns: [creationColumn],
});
