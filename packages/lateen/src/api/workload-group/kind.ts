/** networking.istio.io WorkloadGroup. */
import { defineKind, type ObjectOfKind } from "../define.ts";
import { qualifiedName } from "../names.ts";
import { creationColumn } from "../networking/columns.ts";
import { categories, group, portNumber, status, versions } from "../networking/common.ts";
import { integer, list, map, notYet, object, required, string } from "../schema.ts";
import { workloadTemplate } from "../workload-entry/schema.ts";

const count = integer({ min: 0, max: 2_147_483_647 });
const port = required(portNumber);

const probe = object(
  {
    httpGet: object({
      port,
      path: string(),
      host: string(),
      scheme: string({
        rules: [
          {
            rule: 'self in ["", "HTTP", "HTTPS"]',
            message: "want HTTP or HTTPS",
            holds: value => value === "" || value === "HTTP" || value === "HTTPS",
          },
        ],
      }),
      httpHeaders: list(object({ name: string({ pattern: "^[-_A-Za-z0-9]+$" }), value: string() })),
    }),
    tcpSocket: object({ port, host: string() }),
    exec: object({ command: required(list(string({ minLength: 1 }))) }),
    grpc: object({ port: portNumber, service: string() }),
    initialDelaySeconds: count,
    timeoutSeconds: count,
    periodSeconds: count,
    successThreshold: count,
    failureThreshold: count,
  },
  { exclusive: [["httpGet", "tcpSocket", "exec", "grpc"]] },
);

const texts = map(string(), { keyCheck: qualifiedName, maxProperties: 256 });

const fields = {
  spec: required(
    notYet(
      object({
        metadata: object({ labels: texts, annotations: texts }),
        template: required(workloadTemplate),
        probe,
      }),
    ),
  ),
  status,
};

export type WorkloadGroup = ObjectOfKind<typeof fields>;

export const workloadGroupKind = defineKind({
  group,
  versions,
  kind: "WorkloadGroup",
  plural: "workloadgroups",
  shortNames: ["wg"],
  categories,
  subresources: ["status"],
  description: "What WorkloadEntries of a kind have in common.",
  fields,
  columns: [creationColumn],
});
