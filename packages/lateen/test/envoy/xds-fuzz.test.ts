/** Envoy takes random output of the xDS builders: many resources, judged in one go. */
import { test } from "node:test";
import fc from "fast-check";
import type { EncodedResource } from "../../src/xds/resource.ts";
import { type JsonObject, judgedBootstrap, resourceJson } from "../support/standalone.ts";
import { validate } from "../support/validate.ts";
import {
  cluster,
  dnsCluster,
  endpoints,
  gateway,
  inbound,
  routes,
  sidecarInbound,
  sidecarIngress,
  sidecarOutbound,
} from "../support/xds-arbitraries.ts";

/** Fixed, so that a failure is the same everywhere. `LATEEN_FUZZ_SEED` tries others. */
const SEED = Number(process.env["LATEEN_FUZZ_SEED"] ?? 20_261);

function sample(arbitrary: fc.Arbitrary<EncodedResource>, count: number): JsonObject[] {
  const resources = fc.sample(arbitrary, { numRuns: count, seed: SEED });
  return resources.map(resourceJson);
}

/** Two of one name are one too many in a bootstrap. */
function renamed(resources: readonly JsonObject[]): JsonObject[] {
  return resources.map((each, index) => ({ ...each, name: `${index}` }));
}

/** Nor may two listeners have one address. */
function apart(listeners: readonly JsonObject[]): JsonObject[] {
  return renamed(listeners).map((each, index) => {
    const at = (address: string) => ({ socketAddress: { address, portValue: 1024 + index } });
    const more = each["additionalAddresses"] === undefined ? [] : [{ address: at("::1") }];
    return { ...each, address: at("127.0.0.1"), additionalAddresses: more };
  });
}

test(`Envoy accepts random clusters, endpoints and routes (seed ${SEED})`, async () => {
  await validate(
    judgedBootstrap([
      ...renamed([...sample(cluster, 150), ...sample(inbound, 30), ...sample(dnsCluster, 60)]),
      ...sample(endpoints, 100),
      ...sample(routes, 60),
    ]),
  );
});

test(`Envoy accepts random listeners (seed ${SEED})`, async () => {
  await validate(
    judgedBootstrap(
      apart([
        ...sample(sidecarInbound, 15),
        ...sample(sidecarIngress, 10),
        ...sample(sidecarOutbound, 30),
      ]),
    ),
  );
});

test(`Envoy accepts random gateways (seed ${SEED})`, async () => {
  await validate(judgedBootstrap(apart(sample(gateway, 40))));
});
