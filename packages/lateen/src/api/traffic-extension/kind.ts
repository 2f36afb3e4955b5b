/** extensions.istio.io TrafficExtension. */
import { defineKind, type ObjectOfKind } from "../define.ts";
import { creationColumn } from "../networking/columns.ts";
import { status } from "../networking/common.ts";
import { atMostOne, policySelector, targetRefs } from "../policy/common.ts";
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
} from "../wasm-plugin/common.ts";

const wasm = object(
  {
    url: required(moduleUrl),
    sha256,
    verificationKey: string(),
    imagePullPolicy,
    imagePullSecret,
    pluginConfig,
    pluginName,
    type: pluginType,
    failStrategy,
    vmConfig,
  },
  { description: "A WebAssembly module." },
);

const lua = object(
  {
    inlineCode: required(
      string({ minLength: 1, maxLength: 65_536, description: "The program itself." }),
    ),
  },
  { description: "A Lua program." },
);

const fields = {
  spec: required(
    notYet(
      object(
        {
          selector: policySelector,
          targetRefs,
          match: trafficMatch,
          phase: enumOf(["UNSPECIFIED", "AUTHN", "AUTHZ", "STATS"]),
          priority,
          wasm,
          lua,
        },
        {
          exclusive: [["wasm", "lua"]],
          rules: [
            atMostOne("selector", "targetRefs"),
            {
              rule: "has(self.wasm) || has(self.lua)",
              message: "needs one of wasm and lua",
              holds: value =>
                typeof value === "object" && value !== null && ("wasm" in value || "lua" in value),
            },
          ],
        },
      ),
    ),
  ),
  status,
};

export type TrafficExtension = ObjectOfKind<typeof fields>;

export const trafficExtensionKind = defineKind({
  group,
  versions: ["v1alpha1"],
  kind: "TrafficExtension",
  plural: "trafficextensions",
  categories,
  subresources: ["status"],
  description: "WebAssembly or Lua in the proxies of some workloads.",
  fields,
  columns: [creationColumn],
});
