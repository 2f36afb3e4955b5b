/** core/v1 Pod: its fields. */
import type { ObjectOfKind } from "../define.ts";
import {
  any,
  boolean,
  integer,
  list,
  object,
  optional,
  orElse,
  required,
  string,
} from "../schema.ts";
import { podSpec } from "./pod-spec.ts";

const condition = object(
  {
    type: required(string()),
    status: required(string()),
    reason: string(),
    message: string(),
    lastTransitionTime: string(),
  },
  { open: true },
);

const containerStatus = object(
  {
    name: required(string()),
    ready: orElse(boolean(), false),
    started: boolean({ nullable: true }),
    restartCount: orElse(integer(), 0),
    state: any(),
    lastState: any(),
  },
  { open: true },
);

const ips = optional(list(object({ ip: string() }), { patchMergeKey: "ip", mapKeys: ["ip"] }));

export const podFields = {
  spec: required(podSpec),
  status: orElse(
    object(
      {
        phase: orElse(string(), ""),
        conditions: list(condition, { patchMergeKey: "type", mapKeys: ["type"] }),
        podIP: string(),
        podIPs: ips,
        hostIP: string(),
        startTime: string(),
        containerStatuses: list(containerStatus),
        initContainerStatuses: list(containerStatus),
        reason: string(),
        message: string(),
      },
      { open: true },
    ),
    {},
  ),
};

export type Pod = ObjectOfKind<typeof podFields>;
