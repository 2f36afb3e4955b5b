/** `lateen x precheck`: whether a cluster is fit for an installation or an upgrade. */
import { type Command, stringFlag, UserError } from "../cli/command.ts";
import { SYSTEM_NAMESPACE } from "../install/operator.ts";
import { precheck } from "../install/precheck.ts";
import { skewOf } from "../install/version-skew.ts";
import { clusterClient } from "./install-input.ts";

export const precheckCommand: Command = {
  name: "precheck",
  summary: "Checks whether the cluster is fit for an installation",
  description:
    "Looks at the cluster's version, at what you may do in it, and at other control planes in it.\n" +
    "Changes nothing. Fails where an installation would.",
  flags: [
    {
      name: "from-version",
      short: "f",
      kind: "string",
      description: "Version that is to be left (default: those that are installed)",
    },
  ],
  examples: ["lateen x precheck", "lateen x precheck --from-version 0.1"],
  async run(ctx, call) {
    const namespace = stringFlag(call, "istioNamespace") ?? SYSTEM_NAMESPACE;
    const from = stringFlag(call, "from-version");
    if (from !== undefined && skewOf(from, ctx.version) === "unknown")
      throw new UserError(`--from-version is "${from}"; expected a version like 0.1 or 0.1.2`);
    const findings = await precheck(clusterClient(call), namespace, { from, to: ctx.version });
    for (const { severity, message } of findings)
      ctx.stdout.write(`${severity === "error" ? "Error" : "Warning"}: ${message}\n`);
    if (findings.some(({ severity }) => severity === "error")) return 1;
    if (findings.length === 0)
      ctx.stdout.write(
        "✔ No issues found when checking the cluster. Lateen is safe to install or upgrade!\n",
      );
    return 0;
  },
};
