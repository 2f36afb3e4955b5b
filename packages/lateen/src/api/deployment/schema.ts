/** apps/v1 Deployment: its fields and Kubernetes' defaults. */
import type { ObjectOfKind } from "../define.ts";
import { labels } from "../meta.ts";
import { labelValue, qualifiedName } from "../names.ts";
import { podSpec } from "../pod/pod-spec.ts";
import {
  any,
  boolean,
  enumOf,
  integer,
  intOrString,
  list,
  map,
  object,
  optional,
  orElse,
  required,
  type StringCheck,
  string,
  withDefault,
} from "../schema.ts";

const percentage: StringCheck = text =>
  /^\d{1,9}%$/.test(text) ? undefined : 'a count, or a percentage such as "25%"';

const labelSelector = object({
  matchLabels: map(string({ check: labelValue }), { keyCheck: qualifiedName }),
  matchExpressions: list(
    object({
      key: required(string({ check: qualifiedName })),
      operator: required(enumOf(["In", "NotIn", "Exists", "DoesNotExist"])),
      values: list(string({ check: labelValue })),
    }),
  ),
});

/** The metadata that pods get; only labels and annotations matter. */
const templateMetadata = object({
  name: string(),
  namespace: string(),
  creationTimestamp: any(),
  labels,
  annotations: map(string(), { keyCheck: qualifiedName }),
  finalizers: optional(list(string())),
});

const strategy = object(
  {
    type: withDefault(enumOf(["RollingUpdate", "Recreate"]), "RollingUpdate"),
    rollingUpdate: object({
      maxSurge: withDefault(intOrString({ check: percentage }), "25%"),
      maxUnavailable: withDefault(intOrString({ check: percentage }), "25%"),
    }),
  },
  { patchStrategy: "retainKeys" },
);

export const deploymentFields = {
  spec: required(
    object({
      replicas: withDefault(integer({ min: 0, description: "Pods that are wanted." }), 1),
      selector: required(labelSelector),
      template: required(
        object({ metadata: orElse(templateMetadata, {}), spec: required(podSpec) }),
      ),
      strategy: withDefault(strategy, {}),
      minReadySeconds: orElse(integer({ min: 0 }), 0),
      revisionHistoryLimit: withDefault(integer({ min: 0 }), 10),
      progressDeadlineSeconds: withDefault(integer({ min: 1 }), 600),
      paused: orElse(boolean({ description: "Changes of the template wait." }), false),
    }),
  ),
  status: object(
    {
      observedGeneration: integer(),
      replicas: integer(),
      updatedReplicas: integer(),
      readyReplicas: integer(),
      availableReplicas: integer(),
      unavailableReplicas: integer(),
      conditions: list(any(), { patchMergeKey: "type", mapKeys: ["type"] }),
    },
    { open: true },
  ),
};

export type Deployment = ObjectOfKind<typeof deploymentFields>;
export type LabelSelector = Deployment["spec"]["selector"];
