/** `lateen profile list|dump|diff`: the built-in configuration profiles. */

import type { Json, JsonObject } from "../api/kind.ts";
import { own } from "../base/own.ts";
import { type Command, type Flag, stringFlag, UserError } from "../cli/command.ts";
import { idle, without } from "../cli/istioctl-flags.ts";
import { lineDiff } from "../cli/printers/line-diff.ts";
import { renderObject } from "../cli/printers/object.ts";
import { type Installation, operatorOf, unknownProfile } from "../install/operator.ts";
import { PROFILES, profileSpec } from "../install/profiles.ts";
import { isArray, isObject } from "../sources/json.ts";
import { CHARTS_FLAGS, checkCharts } from "./charts-flag.ts";
import { askedInstallation, SPEC_FLAGS } from "./install-input.ts";

const PROFILE_FLAGS: readonly Flag[] = [
  ...CHARTS_FLAGS,
  idle({ name: "dry-run", kind: "boolean" }, "Nothing is changed in any case"),
];

const listCommand: Command = {
  name: "list",
  summary: "Lists the configuration profiles",
  flags: PROFILE_FLAGS,
  async run(ctx, call) {
    await checkCharts(ctx, call);
    ctx.stdout.write("Istio configuration profiles:\n");
    for (const name of PROFILES) ctx.stdout.write(`    ${name}\n`);
    return 0;
  },
};

const dumpCommand: Command = {
  name: "dump",
  summary: "Prints a configuration profile",
  description: "Prints a profile, with files and settings over it, as an IstioOperator.",
  positionals: [{ name: "profile", required: false }],
  flags: [
    ...SPEC_FLAGS,
    ...PROFILE_FLAGS,
    {
      name: "output",
      short: "o",
      kind: "string",
      description: "Output format",
      default: "yaml",
      values: ["yaml", "json", "flags"],
    },
    {
      name: "config-path",
      short: "p",
      kind: "string",
      description: "Only what is below this path",
    },
    without(
      { name: "helm-output", kind: "boolean" },
      "'lateen manifest translate' writes the values of the charts",
    ),
  ],
  examples: ["lateen profile dump demo", "lateen profile dump demo -p components.pilot"],
  async run(ctx, call) {
    await checkCharts(ctx, call);
    const [name] = call.args;
    const set = name === undefined ? [] : [`profile=${name}`];
    const sets = [...set, ...(Array.isArray(call.flags["set"]) ? call.flags["set"] : [])];
    const flags = { ...call.flags, set: sets };
    const { installation } = await askedInstallation(ctx, { ...call, flags });
    const path = stringFlag(call, "config-path");
    const value = path === undefined ? operatorOf(dumped(installation)) : below(installation, path);
    const format = stringFlag(call, "output") ?? "yaml";
    if (format === "flags")
      for (const line of flagLines(path === undefined ? installation.spec : value, path ?? ""))
        ctx.stdout.write(`${line}\n`);
    else ctx.stdout.write(await renderObject(value, format));
    return 0;
  },
};

/** With the images that are installed where nothing names others. */
function dumped({ spec, hub, tag }: Installation): JsonObject {
  return { ...spec, hub, tag };
}

function below(installation: Installation, path: string): Json {
  let value: Json | undefined = dumped(installation);
  for (const part of path.replace(/^spec\.?/, "").split("."))
    value = part === "" ? value : isObject(value) ? own(value, part) : undefined;
  if (value === undefined) throw new UserError(`the profile has nothing at ${path}`);
  return value;
}

function flagLines(value: Json, path: string): string[] {
  const join = (key: string): string => (path === "" ? key : `${path}.${key}`);
  if (isObject(value))
    return Object.keys(value)
      .sort()
      .flatMap(key => flagLines(value[key] ?? null, join(key.replaceAll(".", "\\."))));
  if (isArray(value)) return value.flatMap((item, i) => flagLines(item, `${path}[${i}]`));
  return [`${path}=${typeof value === "string" ? value : JSON.stringify(value)}`];
}

const diffCommand: Command = {
  name: "diff",
  summary: "Compares two configuration profiles",
  positionals: [
    { name: "profile", required: true },
    { name: "profile", required: true },
  ],
  flags: PROFILE_FLAGS,
  examples: ["lateen profile diff default demo"],
  async run(ctx, call) {
    await checkCharts(ctx, call);
    const { args } = call;
    const texts: string[][] = [];
    for (const name of args) {
      const spec = profileSpec(name);
      if (spec === undefined) throw new UserError(unknownProfile(name));
      texts.push((await renderObject(operatorOf(spec), "yaml")).trimEnd().split("\n"));
    }
    const [a = [], b = []] = texts;
    const edits = lineDiff(a, b);
    if (edits.every(({ kind }) => kind === " ")) {
      ctx.stdout.write("Profiles are identical\n");
      return 0;
    }
    ctx.stdout.write("The difference between profiles:\n");
    for (const { kind, line } of edits) ctx.stdout.write(`${kind}${line}\n`);
    return 1;
  },
};

export const profileCommand: Command = {
  name: "profile",
  summary: "Lists, prints and compares configuration profiles",
  examples: ["lateen profile list", "lateen install --set profile=demo"],
  subcommands: [listCommand, dumpCommand, diffCommand],
};
