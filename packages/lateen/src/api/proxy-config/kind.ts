/** networking.istio.io ProxyConfig. */
import { defineKind, type ObjectOfKind } from "../define.ts";
import { categories, group, status } from "../networking/common.ts";
import { policySelector } from "../policy/common.ts";
import { integer, map, notYet, object, string } from "../schema.ts";

const fields = {
  spec: notYet(
    object({
      selector: policySelector,
      concurrency: integer({ min: 0, max: 2_147_483_647, nullable: true }),
      environmentVariables: map(string({ maxLength: 2048 })),
      image: object({ imageType: string() }),
    }),
  ),
  status,
};

export type ProxyConfig = ObjectOfKind<typeof fields>;

export const proxyConfigKind = defineKind({
  group,
  versions: ["v1beta1"],
  kind: "ProxyConfig",
  plural: "proxyconfigs",
  categories,
  subresources: ["status"],
  description: "How the proxies of some workloads are started.",
  fields,
  columns: [],
});
