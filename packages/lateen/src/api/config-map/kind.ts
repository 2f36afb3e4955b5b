/** core/v1 ConfigMap. */
import { ageColumn, column, sizeAt } from "../columns.ts";
import { checkDataSize } from "../data-size.ts";
import { defineKind, type ObjectOfKind } from "../define.ts";
import { dataKey } from "../names.ts";
import { pathOf, type Report } from "../report.ts";
import { boolean, map, string } from "../schema.ts";

const fields = {
  data: map(string(), { keyCheck: dataKey, description: "Values as text." }),
  binaryData: map(string({ format: "byte" }), {
    keyCheck: dataKey,
    description: "Values in base64.",
  }),
  immutable: boolean(),
};

export type ConfigMap = ObjectOfKind<typeof fields>;

export const configMapKind = defineKind({
  group: "",
  versions: ["v1"],
  kind: "ConfigMap",
  plural: "configmaps",
  shortNames: ["cm"],
  description: "Settings for programs, as keys and values.",
  fields,
  columns: [
    column(
      "Data",
      "Number of keys.",
      configMap => sizeAt(configMap, "data") + sizeAt(configMap, "binaryData"),
    ),
    ageColumn,
  ],
  validate: validateConfigMap,
});

function validateConfigMap(configMap: ConfigMap, report: Report): void {
  const { data, binaryData } = configMap;
  checkDataSize({ text: Object.values(data), base64: Object.values(binaryData) }, report);
  for (const key of Object.keys(binaryData))
    if (Object.hasOwn(data, key))
      report.error(pathOf("binaryData", key), "Duplicate", `"${key}" is a key of data, too`);
}
