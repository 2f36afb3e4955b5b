/** `-o` of `get`, where it is about objects and not about the API server's table. */
import type { Json } from "../../api/kind.ts";
import { arrayAt, isObject } from "../../sources/json.ts";
import { UserError } from "../command.ts";
import { renderTable } from "../tabwriter.ts";
import { jsonPathTemplate, jsonPathText, jsonPathValues } from "./json-path.ts";
import { renderObject } from "./object.ts";

/** Text of an object, or of a List of them. */
export type ObjectPrinter = (value: Json) => string | Promise<string>;

/** undefined: the table is to be printed. Throws a `UserError` where the format can not be read. */
export function objectPrinter(format: string, noHeaders: boolean): ObjectPrinter | undefined {
  if (format === "json" || format === "yaml") return value => renderObject(value, format);
  const [kind, ...rest] = format.split("=");
  const text = rest.join("=");
  if (kind === "jsonpath") return jsonPathTemplate(text);
  if (kind === "custom-columns") return customColumns(text, noHeaders);
  return undefined;
}

/** `NAME:.metadata.name,AGE:.metadata.creationTimestamp`. */
function customColumns(text: string, noHeaders: boolean): ObjectPrinter {
  const columns = text.split(/,(?![^[]*\])/).map(part => {
    const colon = part.indexOf(":");
    if (colon <= 0 || colon === part.length - 1)
      throw new UserError(
        `custom-columns: found "${part}"; expected NAME:.path, e.g. NAME:.metadata.name`,
      );
    return { name: part.slice(0, colon), values: jsonPathValues(part.slice(colon + 1)) };
  });
  return value => {
    const items =
      isObject(value) && value["items"] !== undefined ? arrayAt(value, "items") : [value];
    const lines = items.map(item => columns.map(({ values }) => columnText(values(item))));
    const header = columns.map(({ name }) => name);
    return renderTable(noHeaders ? lines : [header, ...lines], { padding: 3 });
  };
}

function columnText(values: readonly Json[]): string {
  return values.length === 0 ? "<none>" : values.map(jsonPathText).join(",");
}
