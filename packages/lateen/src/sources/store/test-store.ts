/** A store with a held clock and countable ids, and small kinds, for the tests of this folder. */
import { FakeClock } from "../../../test/support/fake-clock.ts";
import { defineKind } from "../../api/define.ts";
import type { JsonObject, Kind } from "../../api/kind.ts";
import { namespaceKind } from "../../api/namespace/kind.ts";
import { podKind } from "../../api/pod/kind.ts";
import { any, integer, list, map, object, string } from "../../api/schema.ts";
import { serviceKind } from "../../api/service/kind.ts";
import { assert } from "../../base/assert.ts";
import { silentLog } from "../../base/log.ts";
import type { ApiResult } from "../status.ts";
import { type Ids, openStore, type Store, type StoreOptions } from "./store.ts";

export const accountKind: Kind = defineKind({
  group: "",
  versions: ["v1"],
  kind: "ServiceAccount",
  plural: "serviceaccounts",
  shortNames: ["sa"],
  description: "An identity.",
  fields: {},
  columns: [],
});

/** Served in several versions, with a status and list fields, like Istio's kinds. */
export const widgetKind: Kind = defineKind({
  group: "test.lateen.dev",
  versions: ["v1", "v1beta1"],
  kind: "Widget",
  plural: "widgets",
  shortNames: ["wd"],
  subresources: ["status"],
  description: "Something with a size.",
  fields: {
    spec: object({
      size: integer({ min: 0, max: 100, description: "How large." }),
      colour: string(),
      parts: list(string()),
      extra: map(string()),
    }),
    status: object({ seen: integer(), conditions: list(any()) }, { open: true }),
  },
  columns: [
    {
      name: "Size",
      type: "integer",
      description: "How large.",
      priority: 0,
      value: ".spec.size",
    },
    { name: "Parts", type: "string", description: "Parts.", priority: 1, value: ".spec.parts" },
  ],
});

export const testKinds: readonly Kind[] = [
  namespaceKind,
  accountKind,
  podKind,
  serviceKind,
  widgetKind,
];

export function countedIds(): Ids {
  let count = 0;
  const next = (): string => String(++count);
  return {
    uid: () => `00000000-0000-4000-8000-${next().padStart(12, "0")}`,
    suffix: () => next().padStart(5, "x"),
  };
}

export function testStore(options: Partial<StoreOptions> = {}): {
  readonly store: Store;
  readonly clock: FakeClock;
} {
  const clock = new FakeClock();
  const opened = openStore({
    path: ":memory:",
    kinds: testKinds,
    clock,
    ids: countedIds(),
    log: silentLog,
    ...options,
  });
  assert(opened.ok, JSON.stringify(opened.diagnostics));
  return { store: opened.value, clock };
}

export function widget(name: string, spec: JsonObject = {}, metadata: JsonObject = {}): JsonObject {
  const apiVersion = "test.lateen.dev/v1";
  return { apiVersion, kind: "Widget", metadata: { name, ...metadata }, spec };
}

export function value<T>(result: ApiResult<T>): T {
  assert(result.ok, result.ok ? "" : JSON.stringify(result.status));
  return result.value;
}

/** The message of a refused request. */
export function refusal(result: ApiResult<unknown>): string {
  assert(!result.ok, "the request was not refused");
  return `${result.status.code} ${result.status.reason}: ${result.status.message}`;
}
