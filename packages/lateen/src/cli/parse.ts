import { nearest } from "../base/nearest.ts";
import {
  type Command,
  type Flag,
  type FlagValues,
  type Invocation,
  NotOursError,
  UserError,
} from "./command.ts";
import { KUBECTL_VERBS } from "./kubectl.ts";

export interface Parsed {
  readonly path: readonly Command[];
  readonly command: Command;
  readonly call: Invocation;
  readonly help: boolean;
}

interface State {
  readonly words: readonly string[];
  position: number;
  readonly values: Record<string, string | number | boolean | string[]>;
  readonly args: string[];
  trailing: string[] | undefined;
  path: Command[];
  help: boolean;
}

/**
 * Words as kubectl and istioctl take them: flags before or after the arguments, `-n x`, `-nx`,
 * `--name=x`, `--name x`, `--` ends flags. Throws UserError naming what is wrong and what is near.
 */
export function parseCommandLine(
  root: Command,
  global: readonly Flag[],
  words: readonly string[],
): Parsed {
  const state: State = {
    words,
    position: 0,
    values: {},
    args: [],
    trailing: undefined,
    path: [root],
    help: false,
  };
  while (state.position < words.length) {
    const word = words[state.position] ?? "";
    state.position++;
    if (word === "--") {
      state.trailing = words.slice(state.position);
      break;
    }
    if (word.startsWith("-") && word !== "-") readFlag(state, global, word);
    else if (!descend(state, word)) readArgument(state, word);
  }
  return finish(state, global);
}

function current(state: State): Command {
  const command = state.path.at(-1);
  if (command === undefined) throw new UserError("no command");
  return command;
}

function descend(state: State, word: string): boolean {
  if (state.args.length > 0) return false;
  const subcommands = current(state).subcommands ?? [];
  const next = subcommands.find(c => c.name === word || (c.aliases ?? []).includes(word));
  if (next !== undefined) {
    state.path = [...state.path, next];
    return true;
  }
  if (subcommands.length > 0 && current(state).run === undefined) {
    throw unknownCommand(state, word, subcommands);
  }
  return false;
}

function unknownCommand(state: State, word: string, subcommands: readonly Command[]): UserError {
  if (state.path.length === 1 && KUBECTL_VERBS.has(word))
    return new NotOursError(`lateen has no command "${word}"`);
  const names = subcommands.flatMap(c => [c.name, ...(c.aliases ?? [])]);
  const near = nearest(word, names);
  return new UserError(
    `unknown command "${word}" for "${commandPath(state.path)}"`,
    near === undefined
      ? `run '${commandPath(state.path)} --help' for the list`
      : `did you mean "${near}"?`,
  );
}

function readArgument(state: State, word: string): void {
  state.args.push(word);
  const command = current(state);
  const enough = (command.positionals ?? []).filter(p => p.rest !== true).length;
  if (command.passThrough === true && state.args.length > enough) {
    state.args.push(...state.words.slice(state.position));
    state.position = state.words.length;
  }
}

function readFlag(state: State, global: readonly Flag[], word: string): void {
  if (word === "--help" || word === "-h") {
    state.help = true;
    return;
  }
  // A command's own flags first: -c and -i of exec are kubectl's.
  const known = [...state.path.flatMap(c => c.flags ?? []), ...global];
  if (word.startsWith("--")) readLongFlag(state, known, word.slice(2));
  else readShortFlags(state, known, word.slice(1));
}

function readLongFlag(state: State, known: readonly Flag[], text: string): void {
  const equals = text.indexOf("=");
  const name = equals < 0 ? text : text.slice(0, equals);
  const flag = known.find(f => f.name === name);
  if (flag === undefined) throw unknownFlag(state, known, name);
  refuse(flag);
  if (equals >= 0) assign(state, flag, text.slice(equals + 1));
  else if (flag.kind === "boolean") state.values[flag.name] = true;
  else assign(state, flag, nextWord(state, `--${flag.name}`));
}

function readShortFlags(state: State, known: readonly Flag[], letters: string): void {
  for (let i = 0; i < letters.length; i++) {
    const flag = known.find(f => f.short === letters[i]);
    if (flag === undefined) throw unknownFlag(state, known, letters[i] ?? "");
    refuse(flag);
    if (flag.kind === "boolean") {
      state.values[flag.name] = true;
      continue;
    }
    const rest = letters.slice(i + 1).replace(/^=/, "");
    assign(state, flag, rest === "" ? nextWord(state, `-${letters[i]}`) : rest);
    return;
  }
}

function refuse({ name, refused }: Flag): void {
  if (refused !== undefined) throw new UserError(`--${name}: ${refused}`);
}

function nextWord(state: State, shown: string): string {
  const word = state.words[state.position];
  if (word === undefined) throw new UserError(`flag ${shown} needs a value`);
  state.position++;
  return word;
}

function assign(state: State, flag: Flag, text: string): void {
  if (flag.values !== undefined && !flag.values.some(value => allows(value, text))) {
    throw new NotOursError(
      `--${flag.name} is "${text}"; it must be one of ${flag.values.join(", ")}`,
    );
  }
  switch (flag.kind) {
    case "string":
      state.values[flag.name] = text;
      return;
    case "number":
      state.values[flag.name] = parseNumber(flag, text);
      return;
    case "boolean":
      if (text !== "true" && text !== "false") {
        throw new UserError(`--${flag.name} is "${text}"; it must be true or false`);
      }
      state.values[flag.name] = text === "true";
      return;
    case "list":
    case "texts": {
      const before = state.values[flag.name];
      const list = Array.isArray(before) ? before : [];
      list.push(...(flag.kind === "list" ? text.split(",") : [text]));
      state.values[flag.name] = list;
    }
  }
}

function allows(value: string, text: string): boolean {
  return value.endsWith("=") ? text.startsWith(value) : text === value;
}

function parseNumber(flag: Flag, text: string): number {
  const value = Number(text);
  if (text === "" || !Number.isFinite(value)) {
    throw new UserError(`--${flag.name} is "${text}"; it must be a number`);
  }
  return value;
}

function unknownFlag(state: State, known: readonly Flag[], name: string): UserError {
  const near = nearest(
    name,
    known.filter(f => f.hidden !== true).map(f => f.name),
  );
  const shown = name.length === 1 ? `-${name}` : `--${name}`;
  return new NotOursError(
    `unknown flag ${shown} for "${commandPath(state.path)}"`,
    near === undefined
      ? `run '${commandPath(state.path)} --help' for the list`
      : `did you mean --${near}?`,
  );
}

function finish(state: State, global: readonly Flag[]): Parsed {
  const command = current(state);
  const flags: Record<string, FlagValues[string]> = {};
  for (const flag of [...global, ...state.path.flatMap(c => c.flags ?? [])]) {
    flags[flag.name] = state.values[flag.name] ?? flag.default;
  }
  const call: Invocation = { flags, args: state.args, trailing: state.trailing };
  if (!state.help) checkArguments(state, command, call);
  return { path: state.path, command, call, help: state.help };
}

function checkArguments(state: State, command: Command, call: Invocation): void {
  if (command.run === undefined) return;
  const positionals = command.positionals ?? [];
  const missing = positionals.filter(p => p.required)[call.args.length];
  if (missing !== undefined && call.args.length < positionals.filter(p => p.required).length) {
    if (missing.rest === true && call.trailing !== undefined) return;
    throw new UserError(
      `${commandPath(state.path)} needs <${missing.name}>`,
      `run '${commandPath(state.path)} --help' for examples`,
    );
  }
  const takesRest = positionals.at(-1)?.rest === true || command.passThrough === true;
  if (!takesRest && call.args.length > positionals.length) {
    throw new UserError(
      `${commandPath(state.path)} does not take "${call.args[positionals.length] ?? ""}"`,
      `run '${commandPath(state.path)} --help' for what it takes`,
    );
  }
}

export function commandPath(path: readonly Command[]): string {
  return path.map(c => c.name).join(" ");
}
