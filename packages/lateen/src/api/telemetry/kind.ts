/** telemetry.istio.io Telemetry. */
import { defineKind, type ObjectOfKind } from "../define.ts";
import { creationColumn } from "../networking/columns.ts";
import { status } from "../networking/common.ts";
import { atMostOne, fieldOf, policySelector, targetRef, targetRefs } from "../policy/common.ts";
import {
  boolean,
  duration,
  enumOf,
  list,
  map,
  notYet,
  number,
  object,
  required,
  string,
} from "../schema.ts";

const word = required(string({ minLength: 1 }));
const maybe = boolean({ nullable: true });
const mode = enumOf(["CLIENT_AND_SERVER", "CLIENT", "SERVER"]);
const providers = list(object({ name: word }), { description: "extensionProviders by name." });

const METRICS = [
  "ALL_METRICS",
  "REQUEST_COUNT",
  "REQUEST_DURATION",
  "REQUEST_SIZE",
  "RESPONSE_SIZE",
  "TCP_OPENED_CONNECTIONS",
  "TCP_CLOSED_CONNECTIONS",
  "TCP_SENT_BYTES",
  "TCP_RECEIVED_BYTES",
  "GRPC_REQUEST_MESSAGES",
  "GRPC_RESPONSE_MESSAGES",
] as const;

const tagOverride = object(
  { operation: enumOf(["UPSERT", "REMOVE"]), value: string() },
  {
    rules: [
      {
        rule: '!has(self.operation) || self.operation != "UPSERT" || self.value != ""',
        message: "UPSERT needs a value",
        holds: value =>
          fieldOf(value, "operation") !== "UPSERT" || (fieldOf(value, "value") ?? "") !== "",
        found: () => "found operation UPSERT without a value, want a value, or operation REMOVE",
        newOnly: true,
      },
      {
        rule: '!has(self.operation) || self.operation != "REMOVE" || !has(self.value)',
        message: "REMOVE takes no value",
        holds: value =>
          fieldOf(value, "operation") !== "REMOVE" || fieldOf(value, "value") === undefined,
        found: () => "found operation REMOVE with a value, want no value, or operation UPSERT",
        newOnly: true,
      },
    ],
  },
);

const metrics = object({
  providers,
  reportingInterval: duration(),
  overrides: list(
    object({
      match: object(
        { metric: enumOf(METRICS), customMetric: string({ minLength: 1 }), mode },
        { exclusive: [["metric", "customMetric"]] },
      ),
      disabled: maybe,
      tagOverrides: map(tagOverride),
    }),
  ),
});

const customTag = object(
  {
    literal: object({ value: word }),
    environment: object({ name: word, defaultValue: string() }),
    header: object({ name: word, defaultValue: string() }),
    formatter: object({ value: word }),
  },
  { exclusive: [["literal", "environment", "header", "formatter"]] },
);

const tracing = object({
  match: object({ mode }),
  providers,
  randomSamplingPercentage: number({ min: 0, max: 100, nullable: true }),
  disableSpanReporting: maybe,
  disableContextPropagation: maybe,
  enableIstioTags: maybe,
  useRequestIdForTraceSampling: maybe,
  customTags: map(customTag),
});

const accessLogging = object({
  match: object({ mode }),
  providers,
  disabled: maybe,
  filter: object({ expression: string({ description: "CEL over a request's attributes." }) }),
});

const fields = {
  spec: notYet(
    object(
      {
        selector: policySelector,
        targetRef,
        targetRefs,
        metrics: list(metrics),
        tracing: list(tracing),
        accessLogging: list(accessLogging),
      },
      { rules: [atMostOne("selector", "targetRef", "targetRefs")] },
    ),
  ),
  status,
};

export type Telemetry = ObjectOfKind<typeof fields>;

export const telemetryKind = defineKind({
  group: "telemetry.istio.io",
  versions: ["v1", "v1alpha1"],
  storageVersion: "v1alpha1",
  kind: "Telemetry",
  plural: "telemetries",
  shortNames: ["telemetry"],
  categories: ["istio-io", "telemetry-istio-io"],
  subresources: ["status"],
  description: "What proxies report: metrics, traces and access logs.",
  fields,
  columns: [creationColumn],
});
