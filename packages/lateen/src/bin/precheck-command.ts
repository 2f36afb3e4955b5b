/** `lateen x precheck`: whether a cluster is fit for an installation or an upgrade. */
import { booleanFlag, type Command, stringFlag, UserError } from "../cli/command.ts";
import { idle } from "../cli/istioctl-flags.ts";
import { renderObject } from "../cli/printers/object.ts";
import { SYSTEM_NAMESPACE } from "../install/operator.ts";
import { precheck } from "../install/precheck.ts";
import { checkStored } from "../install/stored-objects.ts";
import { skewOf } from "../install/version-skew.ts";
import { systemClock } from "../net/clock.ts";
import { clusterClient } from "./install-input.ts";
import { checkConfiguration } from "./stored-configuration.ts";

/** istioctl's, lowest first. */
const LEVELS = ["Info", "Warning", "Error"];

export const precheckCommand: Command = {
  name: "precheck",
  summary: "Checks whether the cluster is fit for an installation",
  description:
    "Looks at the cluster's version, at what you may do in it, at other control planes in it, and for\n" +
    "stored objects that this version would refuse if they were new. Changes nothing. Fails where an\n" +
    "installation would.",
  flags: [
    {
      name: "from-version",
      short: "f",
      kind: "string",
      description: "Version that is to be left (default: those that are installed)",
    },
    {
      name: "output",
      short: "o",
      kind: "string",
      description: "Output format",
      default: "log",
      values: ["log", "json", "yaml"],
    },
    {
      name: "output-threshold",
      kind: "string",
      description: "Lowest level that is shown",
      default: "Info",
      values: LEVELS,
    },
    {
      name: "skip-controlplane",
      kind: "boolean",
      description: "Only what proxies and their pods meet, not whether a control plane can come",
    },
    {
      name: "revision",
      short: "r",
      kind: "string",
      description: "Only control planes of this revision are left behind",
    },
    idle({ name: "namespaces", kind: "list" }, "All namespaces are checked"),
  ],
  examples: ["lateen x precheck", "lateen x precheck --from-version 0.1"],
  async run(ctx, call) {
    const namespace = stringFlag(call, "istioNamespace") ?? SYSTEM_NAMESPACE;
    const from = stringFlag(call, "from-version");
    if (from !== undefined && skewOf(from, ctx.version) === "unknown")
      throw new UserError(`--from-version is "${from}"; expected a version like 0.1 or 0.1.2`);
    const step = { from, to: ctx.version, revision: stringFlag(call, "revision") };
    const scope = booleanFlag(call, "skip-controlplane") ? "dataPlane" : "everything";
    const client = clusterClient(ctx, call);
    const findings = [
      ...(await precheck(client, namespace, step, scope)),
      ...(await checkConfiguration(client, namespace, systemClock.now())),
      ...(await checkStored(client)),
    ];
    const threshold = LEVELS.indexOf(stringFlag(call, "output-threshold") ?? "Info");
    const shown = findings
      .map(({ severity, message }) => ({
        level: severity === "error" ? "Error" : "Warning",
        message,
      }))
      .filter(({ level }) => LEVELS.indexOf(level) >= threshold);
    const format = stringFlag(call, "output") ?? "log";
    if (format !== "log") ctx.stdout.write(await renderObject(shown, format));
    else for (const { level, message } of shown) ctx.stdout.write(`${level}: ${message}\n`);
    if (findings.some(({ severity }) => severity === "error")) return 1;
    if (findings.length === 0 && format === "log")
      ctx.stdout.write(
        "✔ No issues found when checking the cluster. Lateen is safe to install or upgrade!\n",
      );
    return 0;
  },
};
