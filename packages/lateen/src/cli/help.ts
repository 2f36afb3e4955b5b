import type { Command, Flag } from "./command.ts";
import { commandPath } from "./parse.ts";
import { renderTable } from "./tabwriter.ts";

/** The `--help` page of a command, in the order people know from kubectl and istioctl. */
export function renderHelp(path: readonly Command[], global: readonly Flag[]): string {
  const command = path.at(-1);
  if (command === undefined) return "";
  const parts = [`${command.description ?? command.summary}\n`, `Usage:\n  ${usage(path)}\n`];
  if ((command.aliases ?? []).length > 0) {
    parts.push(`Aliases:\n  ${[command.name, ...(command.aliases ?? [])].join(", ")}\n`);
  }
  if ((command.examples ?? []).length > 0) {
    parts.push(`Examples:\n${(command.examples ?? []).map(line => `  ${line}\n`).join("")}`);
  }
  if ((command.subcommands ?? []).length > 0) {
    const rows = (command.subcommands ?? []).map(c => [`  ${c.name}`, c.summary]);
    parts.push(`Available Commands:\n${renderTable(rows, { padding: 3 })}`);
  }
  // What a group says of a flag, its command may say otherwise.
  const said = path.slice(1).flatMap(c => c.flags ?? []);
  const own = [...new Map(said.map(flag => [flag.name, flag])).values()];
  if (own.length > 0) parts.push(`Flags:\n${renderFlags(own)}`);
  parts.push(`Global Flags:\n${renderFlags(global)}`);
  return parts.join("\n");
}

function usage(path: readonly Command[]): string {
  const command = path.at(-1);
  const words = [commandPath(path)];
  if ((command?.subcommands ?? []).length > 0) words.push("[command]");
  for (const positional of command?.positionals ?? []) {
    const name = positional.rest === true ? `${positional.name}...` : positional.name;
    words.push(positional.required ? `<${name}>` : `[${name}]`);
  }
  words.push("[flags]");
  if (command?.passThrough === true) words.push("-- COMMAND [args...]");
  return words.join(" ");
}

function renderFlags(flags: readonly Flag[]): string {
  const rows = flags
    .filter(flag => flag.hidden !== true)
    .map(flag => {
      const short = flag.short === undefined ? "    " : `-${flag.short}, `;
      const value =
        flag.kind === "boolean" ? "" : ` ${flag.kind === "list" ? "strings" : flag.kind}`;
      const fallback =
        flag.default === undefined || flag.default === false || flag.default === ""
          ? ""
          : ` (default ${JSON.stringify(flag.default)})`;
      const choices = flag.values === undefined ? "" : `: ${flag.values.join(", ")}`;
      return [`  ${short}--${flag.name}${value}`, `${flag.description}${choices}${fallback}`];
    });
  return renderTable(rows, { padding: 3 });
}
