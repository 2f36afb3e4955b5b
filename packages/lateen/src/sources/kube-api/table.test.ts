import assert from "node:assert/strict";
import { test } from "node:test";
import { eventKind } from "../../api/event/kind.ts";
import type { JsonObject, Kind } from "../../api/kind.ts";
import { virtualServiceKind } from "../../api/virtual-service/kind.ts";
import { table } from "./table.ts";

function columns(kind: Kind, priority: number): string[] {
  const { columnDefinitions } = table(kind, [], {}, "None", 0);
  return (columnDefinitions as readonly JsonObject[])
    .filter(each => each["priority"] === priority)
    .map(each => String(each["name"]));
}

test("names come first, and ages last", () => {
  const shown = columns(virtualServiceKind, 0);
  assert.deepEqual(shown, ["Name", "Gateways", "Hosts", "Age"]);
});

test("a kind that puts its names elsewhere has them there only: events, as kubectl shows them", () => {
  assert.deepEqual(columns(eventKind, 0), ["Last Seen", "Type", "Reason", "Object", "Message"]);
  assert.equal(columns(eventKind, 1).at(-1), "Name");
  const event = {
    metadata: { name: "web.1" },
    involvedObject: { kind: "Pod", name: "web" },
    reason: "StandIn",
  };
  const { rows } = table(eventKind, [event], {}, "None", 0);
  const [row] = rows as readonly { readonly cells: readonly string[] }[];
  assert.equal(row?.cells[3], "pod/web");
  assert.equal(row?.cells.at(-1), "web.1");
});
