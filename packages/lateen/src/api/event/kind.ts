/** core/v1 Event: what happened to an object, for people. */
import { at, column, numberAt, textAt } from "../columns.ts";
import { defineKind, type ObjectOfKind } from "../define.ts";
import { age } from "../duration.ts";
import type { JsonObject } from "../kind.ts";
import { any, integer, object, orElse, required, string } from "../schema.ts";

const reference = object({
  apiVersion: string(),
  kind: string(),
  namespace: string(),
  name: string(),
  uid: string(),
  resourceVersion: string({ numberToo: true }),
  fieldPath: string(),
});

const fields = {
  involvedObject: required(reference),
  reason: orElse(string(), ""),
  message: orElse(string(), ""),
  type: orElse(string({ description: "Normal or Warning." }), ""),
  count: orElse(integer(), 0),
  source: object({ component: string(), host: string() }),
  firstTimestamp: string(),
  lastTimestamp: string(),
  eventTime: string(),
  reportingComponent: orElse(string(), ""),
  reportingInstance: orElse(string(), ""),
  action: string(),
  related: reference,
  series: any(),
};

export type Event = ObjectOfKind<typeof fields>;

export const eventKind = defineKind({
  group: "",
  versions: ["v1"],
  kind: "Event",
  plural: "events",
  shortNames: ["ev"],
  description: "Something that happened to an object.",
  fields,
  columns: [
    column("Last Seen", "Time since it last happened.", (event, nowMs) =>
      age(lastSeen(event), nowMs),
    ),
    column("Type", "Normal or Warning.", event => textAt(event, "type")),
    column("Reason", "Short name of what happened.", event => textAt(event, "reason")),
    column("Object", "What it happened to.", objectText),
    column("Source", "Who says so.", event => textAt(event, "source", "component"), { wide: true }),
    column("Message", "What happened.", event => textAt(event, "message").trim()),
    column(
      "First Seen",
      "Time since it first happened.",
      (event, nowMs) => age(firstSeen(event), nowMs),
      {
        wide: true,
      },
    ),
    column("Count", "How often.", event => String(numberAt(event, "count") || 1), { wide: true }),
    // Names of events say nothing: kubectl shows them last, and in wide tables only.
    column("Name", "Name of the event.", event => textAt(event, "metadata", "name"), {
      wide: true,
    }),
  ],
});

function objectText(event: JsonObject): string {
  const kind = textAt(event, "involvedObject", "kind").toLowerCase();
  return `${kind}/${textAt(event, "involvedObject", "name")}`;
}

function lastSeen(event: JsonObject): string {
  return (
    textAt(event, "series", "lastObservedTime") ||
    textAt(event, "lastTimestamp") ||
    firstSeen(event)
  );
}

function firstSeen(event: JsonObject): string {
  return textAt(event, "firstTimestamp") || textAt(event, "eventTime") || created(event);
}

function created(event: JsonObject): string {
  return String(at(event, "metadata", "creationTimestamp") ?? "");
}
