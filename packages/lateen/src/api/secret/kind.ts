/** core/v1 Secret. Its values never appear in a message. */
import { ageColumn, at, column, sizeAt, textAt } from "../columns.ts";
import { checkDataSize } from "../data-size.ts";
import { isObject } from "../decode.ts";
import { defineKind, type ObjectOfKind } from "../define.ts";
import type { Json, JsonObject } from "../kind.ts";
import { dataKey } from "../names.ts";
import type { Report } from "../report.ts";
import { boolean, map, string, withDefault } from "../schema.ts";

const fields = {
  type: withDefault(string({ description: "What the keys mean." }), "Opaque"),
  data: map(string({ format: "byte", sensitive: true }), {
    keyCheck: dataKey,
    description: "Values in base64.",
  }),
  stringData: map(string({ sensitive: true }), {
    keyCheck: dataKey,
    description: "Values as text; a writer's convenience that the store moves into data.",
  }),
  immutable: boolean(),
};

export type Secret = ObjectOfKind<typeof fields>;

export const secretKind = defineKind({
  group: "",
  versions: ["v1"],
  kind: "Secret",
  plural: "secrets",
  description: "A small amount of data that few may read: certificates, keys, passwords.",
  fields,
  columns: [
    column("Type", "What the keys mean.", secret => textAt(secret, "type")),
    column("Data", "Number of keys.", secret => sizeAt(secret, "data")),
    ageColumn,
  ],
  validate: validateSize,
  defaults: moveStringData,
});

/** What stringData replaces in data does not count. */
function validateSize({ data, stringData }: Secret, report: Report): void {
  const kept = Object.entries(data).filter(([key]) => !Object.hasOwn(stringData, key));
  const base64 = kept.map(([, value]) => value);
  checkDataSize({ text: Object.values(stringData), base64 }, report);
}

/** stringData is write-only: the API server stores it in data, where it wins. */
function moveStringData(json: JsonObject): JsonObject {
  const { stringData, ...rest } = json;
  if (!isObject(stringData)) return json;
  const given = at(json, "data");
  const data: Record<string, Json> = Object.assign(
    Object.create(null),
    isObject(given) ? given : {},
  );
  for (const [key, value] of Object.entries(stringData)) {
    // A wrong type is left for decoding to report.
    if (typeof value !== "string") return json;
    data[key] = Buffer.from(value).toString("base64");
  }
  return { ...rest, data: { ...data } };
}
