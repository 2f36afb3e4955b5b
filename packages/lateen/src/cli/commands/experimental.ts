/** `lateen experimental` (`x`): istioctl's group of this name. */
import type { Command } from "../command.ts";
import { checkInjectCommand } from "./check-inject.ts";
import { injectorCommand } from "./injector-list.ts";

/** `more` are the commands that start things: they come from outside. */
export function experimentalCommand(more: readonly Command[] = []): Command {
  return {
    name: "experimental",
    aliases: ["x", "exp"],
    summary: "Commands that may still change",
    subcommands: [checkInjectCommand, injectorCommand, ...more].sort((a, b) =>
      a.name < b.name ? -1 : 1,
    ),
  };
}
