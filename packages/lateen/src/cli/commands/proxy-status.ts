/** `lateen proxy-status` (ps): is every Envoy up to date? Features rows 10 to 13. */
import { type Command, numberFlag, stringFlag, UserError } from "../command.ts";
import { renderObject } from "../printers/object.ts";
import { parseSyncz, statusTable } from "../printers/status.ts";

export const proxyStatusCommand: Command = {
  name: "proxy-status",
  aliases: ["ps"],
  summary: "Shows whether every Envoy has its newest configuration",
  description:
    "Shows the state of the last configuration sent to each Envoy:\n" +
    "SYNCED    acknowledged the last one\n" +
    "NOT SENT  nothing to send\n" +
    "STALE     not acknowledged yet\n" +
    "ERROR     rejected; the reason is in the status of the object that caused it\n" +
    "IGNORED   the type is not subscribed",
  positionals: [{ name: "[type/]name[.namespace]", required: false, completes: "proxy" }],
  flags: [
    { name: "verbosity", kind: "number", description: "1: a column for each type", default: 0 },
    {
      name: "output",
      short: "o",
      kind: "string",
      description: "Output format",
      default: "table",
      values: ["table", "json", "yaml"],
    },
  ],
  examples: [
    "lateen ps",
    "lateen ps --verbosity 1",
    "lateen ps sleep-6c5f-x2x4z",
    "lateen ps --compat 1.14",
  ],
  async run(ctx, call) {
    const mesh = await ctx.mesh();
    const all = parseSyncz(await mesh.discoveryDebug("/debug/syncz"));
    const name = call.args[0]?.replace(/^pod\//, "");
    const chosen =
      name === undefined
        ? all
        : all.filter(p => p.status.proxy === name || p.status.proxy === `${name}.${ctx.namespace}`);
    if (name !== undefined && chosen.length === 0) {
      throw new UserError(`no proxy "${name}" is connected`, "'lateen ps' lists those that are");
    }
    const format = stringFlag(call, "output") ?? "table";
    if (format !== "table") {
      const rows = chosen.map(p => ({ istiod: p.istiod, ...p.status }));
      ctx.stdout.write(await renderObject(rows, format));
      return 0;
    }
    const verbosity = name === undefined ? (numberFlag(call, "verbosity") ?? 0) : 1;
    ctx.stdout.write(statusTable(chosen, { compat: ctx.compat, verbosity }));
    return 0;
  },
};
