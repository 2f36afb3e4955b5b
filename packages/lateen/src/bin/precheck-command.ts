/** `lateen x precheck`: whether a cluster is fit for an installation or an upgrade. */
import { type Command, stringFlag } from "../cli/command.ts";
import { SYSTEM_NAMESPACE } from "../install/operator.ts";
import { precheck } from "../install/precheck.ts";
import { clusterClient } from "./install-input.ts";

export const precheckCommand: Command = {
  name: "precheck",
  summary: "Checks whether the cluster is fit for an installation",
  description:
    "Looks at the cluster's version, at what you may do in it, and at other control planes in it.\n" +
    "Changes nothing. Fails where an installation would.",
  examples: ["lateen x precheck"],
  async run(ctx, call) {
    const namespace = stringFlag(call, "istioNamespace") ?? SYSTEM_NAMESPACE;
    const findings = await precheck(clusterClient(call), namespace);
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
