/** `--manifests`: istioctl reads charts and profiles from a folder; here they are in the program. */
import { join } from "node:path";
import { type Flag, type Invocation, stringFlag, UserError } from "../cli/command.ts";
import type { CliContext } from "../cli/context.ts";
import { isObject } from "../sources/json.ts";
import { readYamlValue } from "../sources/yaml.ts";

export const CHARTS_FLAGS: readonly Flag[] = [
  {
    name: "manifests",
    short: "d",
    kind: "string",
    description:
      "Folder with this release's charts: its objects are built in, and other charts are refused",
  },
  { name: "charts", kind: "string", description: "Old name of --manifests", hidden: true },
];

/**
 * A script that names the folder of this release gets what it asked for. Throws a `UserError` for any
 * other: what its charts say would not be what happens.
 */
export async function checkCharts(ctx: CliContext, call: Invocation): Promise<void> {
  const flag = ["manifests", "charts"].find(name => stringFlag(call, name) !== undefined);
  if (flag === undefined) return;
  const folder = stringFlag(call, flag) ?? "";
  const file = join(folder, "charts", "base", "Chart.yaml");
  const chart = await ctx.readFile(file).then(readYamlValue, () => undefined);
  const version = isObject(chart) ? String(chart["version"] ?? "") : "";
  if (version === ctx.version) return;
  const found = version === "" ? `no charts in ${folder}` : `charts of version ${version}`;
  throw new UserError(
    `--${flag}: found ${found}; expected those of Lateen ${ctx.version}, whose objects are built into this program`,
    "leave the flag out; settings are for --set and -f, other objects for k8s.overlays",
  );
}
