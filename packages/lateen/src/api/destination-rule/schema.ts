/** networking.istio.io DestinationRule: its fields. */
import type { ObjectOfKind } from "../define.ts";
import { labelValue, qualifiedName } from "../names.ts";
import { exportTo, status } from "../networking/common.ts";
import { istioLabel, WILDCARD_HOST } from "../networking/hosts.ts";
import { trafficPolicy } from "../networking/traffic-policy.ts";
import { matchLabels } from "../policy/common.ts";
import { describe, list, map, notYet, object, required, string } from "../schema.ts";

const subsetLabels = map(string({ check: labelValue }), { keyCheck: qualifiedName });

const subset = object({
  name: required(string({ check: istioLabel, description: "What routes refer to." })),
  labels: describe("The endpoints that have all of these.", subsetLabels),
  trafficPolicy,
});

export const destinationRuleFields = {
  spec: required(
    object({
      host: required(
        string({ ...WILDCARD_HOST, description: "Host, after routing, that this is for." }),
      ),
      trafficPolicy,
      subsets: list(subset, { description: "Named sets of endpoints, for example versions." }),
      exportTo,
      workloadSelector: notYet(object({ matchLabels })),
    }),
  ),
  status,
};

export type DestinationRule = ObjectOfKind<typeof destinationRuleFields>;
export type DestinationRuleSpec = DestinationRule["spec"];
export type DestinationRuleSubset = DestinationRuleSpec["subsets"][number];
