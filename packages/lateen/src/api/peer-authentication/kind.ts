/** security.istio.io PeerAuthentication. */
import { column } from "../columns.ts";
import { defineKind, type ObjectOfKind } from "../define.ts";
import { creationColumn } from "../networking/columns.ts";
import { status } from "../networking/common.ts";
import { fieldOf, policySelector } from "../policy/common.ts";
import { enumOf, map, notYet, object, type StringCheck } from "../schema.ts";

const mutualTls = object({ mode: enumOf(["UNSET", "DISABLE", "PERMISSIVE", "STRICT"]) });

const portKey: StringCheck = text =>
  /^[1-9]\d{0,4}$/.test(text) && Number(text) <= 65535 ? undefined : "a port number, 1 to 65535";

const fields = {
  spec: notYet(
    object(
      {
        selector: policySelector,
        mtls: mutualTls,
        portLevelMtls: map(mutualTls, {
          keyCheck: portKey,
          rules: [
            {
              rule: "self.all(port, int(port) >= 1 && int(port) <= 65535)",
              message: "keys are port numbers, 1 to 65535",
            },
          ],
          description: "By port of the workload.",
        }),
      },
      {
        rules: [
          {
            rule:
              "!has(self.portLevelMtls) || (has(self.selector) && " +
              "has(self.selector.matchLabels) && self.selector.matchLabels.size() > 0)",
            message: "portLevelMtls needs a selector with labels",
            holds: value =>
              Object.keys(fieldOf(value, "portLevelMtls") ?? {}).length === 0 ||
              Object.keys(fieldOf(fieldOf(value, "selector"), "matchLabels") ?? {}).length > 0,
            found: () =>
              "found portLevelMtls without selector.matchLabels, want labels of workloads, or no portLevelMtls",
            newOnly: true,
          },
        ],
      },
    ),
  ),
  status,
};

export type PeerAuthentication = ObjectOfKind<typeof fields>;

export const peerAuthenticationKind = defineKind({
  group: "security.istio.io",
  versions: ["v1", "v1beta1"],
  kind: "PeerAuthentication",
  plural: "peerauthentications",
  shortNames: ["pa"],
  categories: ["istio-io", "security-istio-io"],
  subresources: ["status"],
  description: "Whether workloads take mutual TLS, plaintext, or both.",
  fields,
  columns: [column("Mode", "What they take.", ".spec.mtls.mode"), creationColumn],
});
