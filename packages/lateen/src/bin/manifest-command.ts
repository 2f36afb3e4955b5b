/** `lateen manifest generate`: what an installation would apply, without a cluster. */
import { type Command, UserError } from "../cli/command.ts";
import { renderObject } from "../cli/printers/object.ts";
import { render } from "../install/render.ts";
import { askedInstallation, printWarnings, problems, SPEC_FLAGS, TODAY } from "./install-input.ts";
import { renderParts } from "./install-parts.ts";
import { translateCommand } from "./translate-command.ts";

const generateCommand: Command = {
  name: "generate",
  summary: "Prints the objects of an installation",
  description:
    "Prints the objects that 'lateen install' applies, in their order, as YAML for kubectl apply.",
  examples: [
    "lateen manifest generate --set profile=demo | kubectl apply --server-side -f -",
    "lateen manifest generate -f my-mesh.yaml --revision canary",
  ],
  flags: SPEC_FLAGS,
  async run(ctx, call) {
    const { installation, warnings } = await askedInstallation(ctx, call);
    printWarnings(ctx, warnings);
    const makeDefault = installation.revision === "default";
    const result = render(installation, renderParts(ctx.version, TODAY), { makeDefault });
    if (!result.ok) throw new UserError(problems(result.diagnostics));
    printWarnings(ctx, result.diagnostics);
    for (const [i, { object }] of result.value.entries())
      ctx.stdout.write(`${i === 0 ? "" : "---\n"}${await renderObject(object, "yaml")}`);
    return 0;
  },
};

export const manifestCommand: Command = {
  name: "manifest",
  summary: "Commands for the objects of an installation",
  subcommands: [generateCommand, translateCommand],
};
