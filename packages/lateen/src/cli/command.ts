/** Commands are data: parsing, help, completion and documentation all read the same description. */
import type { CliContext } from "./context.ts";

export interface Flag {
  readonly name: string;
  /** One letter, without the dash. */
  readonly short?: string;
  /** `list`: given several times, or divided by commas; `texts`: several times, each as it is. */
  readonly kind: "string" | "boolean" | "number" | "list" | "texts";
  readonly description: string;
  readonly default?: string | number | boolean;
  /** Allowed values; also offered by completion. One that ends in `=` allows whatever begins so. */
  readonly values?: readonly string[];
  readonly hidden?: boolean;
  /** A flag of istioctl that there is none of here, and why: whoever gives it is told so. */
  readonly refused?: string;
}

export interface Positional {
  readonly name: string;
  readonly required: boolean;
  /** Takes all that is left; only on the last one. */
  readonly rest?: boolean;
  /** What completion offers here. */
  readonly completes?: "pod" | "proxy" | "kind" | "name" | "namespace";
}

/** Of commands that ask control planes: only those of a revision. */
export const REVISION_FLAG: Flag = {
  name: "revision",
  short: "r",
  kind: "string",
  description: "Control-plane revision (default: all)",
};

export type FlagValues = Readonly<
  Record<string, string | number | boolean | readonly string[] | undefined>
>;

export interface Invocation {
  readonly flags: FlagValues;
  readonly args: readonly string[];
  /** What follows `--`, untouched. */
  readonly trailing: readonly string[] | undefined;
}

export interface Command {
  readonly name: string;
  readonly aliases?: readonly string[];
  /** One line, without a full stop. */
  readonly summary: string;
  readonly description?: string;
  readonly examples?: readonly string[];
  readonly flags?: readonly Flag[];
  readonly positionals?: readonly Positional[];
  readonly subcommands?: readonly Command[];
  /** Takes words after the positionals as they are, flags too (exec). */
  readonly passThrough?: boolean;
  /** Resolves to the exit code. */
  readonly run?: (ctx: CliContext, call: Invocation) => Promise<number>;
}

/** What a user got wrong on the command line or in the mesh: printed without a stack, exit code 1. */
export class UserError extends Error {
  override readonly name = "UserError";
  /** A next step for the person, printed on a line of its own. */
  readonly hint: string | undefined;
  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}

export function stringFlag(call: Invocation, name: string): string | undefined {
  const value = call.flags[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}

export function numberFlag(call: Invocation, name: string): number | undefined {
  const value = call.flags[name];
  return typeof value === "number" ? value : undefined;
}

export function booleanFlag(call: Invocation, name: string): boolean {
  return call.flags[name] === true;
}

export function listFlag(call: Invocation, name: string): readonly string[] {
  const value = call.flags[name];
  return Array.isArray(value) ? value : [];
}

/** Something that kubectl has for the same word and Lateen has not: the line for kubectl is shown. */
export class NotOursError extends UserError {}
