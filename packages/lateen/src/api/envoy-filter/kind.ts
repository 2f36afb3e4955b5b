/** networking.istio.io EnvoyFilter. */
import { defineKind, type ObjectOfKind } from "../define.ts";
import {
  categories,
  group,
  int32,
  portNumber,
  status,
  uint32,
  workloadSelector,
} from "../networking/common.ts";
import { atMostOne, fieldOf, targetRefs } from "../policy/common.ts";
import { enumOf, list, map, notYet, object, string } from "../schema.ts";

const name = string();
const namedFilter = object({ name, subFilter: object({ name }) });

const listenerMatch = object({
  name,
  portName: string(),
  portNumber: uint32,
  listenerFilter: string(),
  filterChain: object({
    name,
    sni: string(),
    transportProtocol: string(),
    transportSocket: string(),
    applicationProtocols: string(),
    destinationPort: uint32,
    filter: namedFilter,
  }),
});

const routeConfigurationMatch = object({
  name,
  gateway: string(),
  portName: string(),
  portNumber: uint32,
  vhost: object({
    name,
    domainName: string(),
    route: object({ name, action: enumOf(["ANY", "ROUTE", "REDIRECT", "DIRECT_RESPONSE"]) }),
  }),
});

const match = object(
  {
    context: enumOf(["ANY", "SIDECAR_INBOUND", "SIDECAR_OUTBOUND", "GATEWAY", "WAYPOINT"]),
    proxy: object({ proxyVersion: string(), metadata: map(string()) }),
    cluster: object({ name, service: string(), subset: string(), portNumber: uint32 }),
    listener: listenerMatch,
    routeConfiguration: routeConfigurationMatch,
    waypoint: object({ filter: namedFilter, portNumber, route: object({ name }) }),
  },
  {
    exclusive: [["cluster", "listener", "routeConfiguration", "waypoint"]],
    rules: [
      {
        rule: '(has(self.context) && self.context == "WAYPOINT") == has(self.waypoint)',
        message: "waypoint goes with context WAYPOINT, and only with that",
        holds: value =>
          (fieldOf(value, "context") === "WAYPOINT") === (fieldOf(value, "waypoint") !== undefined),
        found: value =>
          fieldOf(value, "waypoint") === undefined
            ? "found context WAYPOINT without waypoint, want both or another context"
            : `found waypoint in context ${fieldOf(value, "context") ?? "ANY"}, want context WAYPOINT, or no waypoint`,
        newOnly: true,
      },
    ],
  },
);

const configPatch = object({
  applyTo: enumOf([
    "INVALID",
    "LISTENER",
    "FILTER_CHAIN",
    "NETWORK_FILTER",
    "HTTP_FILTER",
    "ROUTE_CONFIGURATION",
    "VIRTUAL_HOST",
    "HTTP_ROUTE",
    "CLUSTER",
    "EXTENSION_CONFIG",
    "BOOTSTRAP",
    "LISTENER_FILTER",
  ]),
  match,
  patch: object({
    operation: enumOf([
      "INVALID",
      "MERGE",
      "ADD",
      "REMOVE",
      "INSERT_BEFORE",
      "INSERT_AFTER",
      "INSERT_FIRST",
      "REPLACE",
      "MERGE_AND_REPLACE_LIST",
    ]),
    filterClass: enumOf(["UNSPECIFIED", "AUTHN", "AUTHZ", "STATS"]),
    value: object({}, { open: true, description: "JSON of the Envoy message that is meant." }),
  }),
});

const fields = {
  spec: notYet(
    object(
      {
        workloadSelector,
        targetRefs,
        configPatches: list(configPatch, { description: "Applied in this order." }),
        priority: int32,
      },
      { rules: [atMostOne("workloadSelector", "targetRefs")] },
    ),
  ),
  status,
};

export type EnvoyFilter = ObjectOfKind<typeof fields>;

export const envoyFilterKind = defineKind({
  group,
  versions: ["v1alpha3"],
  kind: "EnvoyFilter",
  plural: "envoyfilters",
  categories,
  subresources: ["status"],
  description: "Changes to what Envoy is sent.",
  fields,
  columns: [],
});
