/**
 * Custom injection templates: YAML with Go template actions, as far as overlays of a pod need them.
 * What is read: values (`{{ .ObjectMeta.Name }}`, `{{ index .ObjectMeta.Annotations "a/b" }}`), text,
 * numbers, pipelines, `if` / `else if` / `else` / `end`, comments, trimming with `-`, and the
 * functions of template-functions.ts. Loops, variables and definitions are refused by name.
 */
import type { Json, JsonObject } from "../api/kind.ts";
import { isObject } from "../sources/json.ts";
import { isTruthy, templateFunctions } from "./template-functions.ts";

export type Rendered =
  | { readonly ok: true; readonly text: string }
  /** `line 3: ...` */
  | { readonly ok: false; readonly message: string };

const MAX_TEMPLATE = 256 << 10;
const MAX_DEPTH = 32;

/** Thrown within this file only. */
class TemplateProblem extends Error {}

export function renderTemplate(text: string, data: JsonObject): Rendered {
  if (text.length > MAX_TEMPLATE)
    return { ok: false, message: `a template may have at most ${MAX_TEMPLATE} characters` };
  const pieces = cut(text);
  let line = 1;
  const open: Branch[] = [];
  const out: string[] = [];
  try {
    for (const piece of pieces) {
      line = piece.line;
      if (piece.action === undefined) {
        if (isActive(open)) out.push(piece.text);
      } else act(piece.action, open, out, data);
    }
    if (open.length > 0) throw new TemplateProblem("an if has no end");
  } catch (error) {
    if (!(error instanceof TemplateProblem)) throw error;
    return { ok: false, message: `line ${line}: ${error.message}` };
  }
  return { ok: true, text: out.join("") };
}

interface Piece {
  readonly text: string;
  readonly action: string | undefined;
  readonly line: number;
}

/** No action holds the beginning of another, so that looking for ends stays linear. */
const ACTION = /(\{\{(?:[^"`{}]|\{(?!\{)|"(?:[^"\\]|\\.)*"|`[^`]*`|\}(?!\}))*\}\})/;

/** Text and actions in turn; `{{-` and `-}}` take the white space beside them along. */
function cut(text: string): Piece[] {
  const pieces: Piece[] = [];
  let line = 1;
  let trimNext = false;
  for (const part of text.split(ACTION)) {
    const isAction = part.startsWith("{{") && part.endsWith("}}");
    if (isAction) {
      const inner = part.slice(2, -2);
      if (/^-\s/.test(inner)) trimEnd(pieces);
      trimNext = /\s-$/.test(inner);
      const action = inner.replace(/^-\s/, "").replace(/\s-$/, "").trim();
      pieces.push({ text: "", action, line });
    } else {
      pieces.push({ text: trimNext ? part.trimStart() : part, action: undefined, line });
      trimNext = false;
    }
    line += part.split("\n").length - 1;
  }
  return pieces;
}

function trimEnd(pieces: Piece[]): void {
  const last = pieces.pop();
  if (last !== undefined) pieces.push({ ...last, text: last.text.trimEnd() });
}

/** One `if`: whether its current part is on, and whether one of its parts has been. */
interface Branch {
  on: boolean;
  taken: boolean;
  /** False where an outer if is off: then nothing in here is looked at. */
  readonly reached: boolean;
}

function isActive(open: readonly Branch[]): boolean {
  return open.every(branch => branch.on);
}

function act(action: string, open: Branch[], out: string[], data: JsonObject): void {
  if (action.startsWith("/*")) return;
  const [, word = "", rest = ""] = /^(\w+)?\s*([\s\S]*)$/.exec(action) ?? [];
  const top = open.at(-1);
  switch (word) {
    case "if": {
      if (open.length >= MAX_DEPTH) throw new TemplateProblem(`more than ${MAX_DEPTH} nested ifs`);
      const reached = isActive(open);
      const on = reached && isTruthy(evaluate(rest, data));
      open.push({ on, taken: on, reached });
      return;
    }
    case "else": {
      if (top === undefined) throw new TemplateProblem("else without an if");
      const condition = /^if\s+([\s\S]+)$/.exec(rest)?.[1];
      const wanted = top.reached && !top.taken;
      top.on = wanted && (condition === undefined || isTruthy(evaluate(condition, data)));
      top.taken ||= top.on;
      return;
    }
    case "end":
      if (open.pop() === undefined) throw new TemplateProblem("end without an if");
      return;
    case "range":
    case "with":
    case "define":
    case "template":
    case "block":
    case "break":
    case "continue":
      throw new TemplateProblem(
        `{{ ${word} }} is not supported: templates are YAML overlays with values and if/else/end`,
      );
    default:
      if (isActive(open)) out.push(printed(evaluate(action, data)));
  }
}

function printed(value: Json | undefined): string {
  if (value === undefined || value === null) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

type Token = { readonly kind: "text" | "word" | "path" | "mark"; readonly value: string };

const TOKEN = /\s*(?:"((?:[^"\\]|\\.)*)"|`([^`]*)`|(\$?\.[\w.]*)|(-?\w[\w.]*)|([()|]))/y;

function tokens(expression: string): Token[] {
  const found: Token[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < expression.trimEnd().length) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(expression);
    if (match === null)
      throw new TemplateProblem(
        `${JSON.stringify(expression.slice(at).trim().slice(0, 40))} is not supported here`,
      );
    const [, quoted, raw, path, word, mark] = match;
    if (quoted !== undefined) found.push({ kind: "text", value: unquote(quoted) });
    else if (raw !== undefined) found.push({ kind: "text", value: raw });
    else if (path !== undefined) found.push({ kind: "path", value: path.replace(/^\$/, "") });
    else if (word !== undefined) found.push({ kind: "word", value: word });
    else found.push({ kind: "mark", value: mark ?? "" });
  }
  return found;
}

function unquote(text: string): string {
  try {
    return String(JSON.parse(`"${text}"`));
  } catch {
    throw new TemplateProblem(`"${text.slice(0, 40)}" has an escape that is not read`);
  }
}

function evaluate(expression: string, data: JsonObject): Json | undefined {
  const queue = tokens(expression);
  const value = pipeline(queue, data, 0);
  const [left] = queue;
  if (left !== undefined) throw new TemplateProblem(`${left.value} is one too many`);
  return value;
}

function pipeline(queue: Token[], data: JsonObject, depth: number): Json | undefined {
  if (depth > MAX_DEPTH) throw new TemplateProblem("too many parentheses");
  let value = command(queue, data, depth, []);
  while (queue[0]?.kind === "mark" && queue[0].value === "|") {
    queue.shift();
    value = command(queue, data, depth, [value]);
  }
  return value;
}

/** A function with its arguments (what is piped comes last), or one operand. */
function command(
  queue: Token[],
  data: JsonObject,
  depth: number,
  piped: readonly (Json | undefined)[],
): Json | undefined {
  const [first] = queue;
  if (first === undefined) throw new TemplateProblem("a value is missing");
  const isFunction = first.kind === "word" && constant(first.value) === undefined;
  if (!isFunction) {
    if (piped.length > 0) throw new TemplateProblem(`| wants a function, found ${first.value}`);
    return operand(queue, data, depth);
  }
  queue.shift();
  const call = templateFunctions[first.value];
  if (call === undefined || !Object.hasOwn(templateFunctions, first.value)) {
    const known = Object.keys(templateFunctions).join(", ");
    throw new TemplateProblem(`there is no function ${first.value}; there are ${known}`);
  }
  const values: (Json | undefined)[] = [];
  while (queue[0] !== undefined && !(queue[0].kind === "mark" && queue[0].value !== "("))
    values.push(operand(queue, data, depth));
  const result = call([...values, ...piped]);
  if (result.ok) return result.value;
  throw new TemplateProblem(`${first.value}: ${result.message}`);
}

function operand(queue: Token[], data: JsonObject, depth: number): Json | undefined {
  const token = queue.shift();
  if (token === undefined) throw new TemplateProblem("a value is missing");
  if (token.kind === "text") return token.value;
  if (token.kind === "path") return lookUp(data, token.value);
  if (token.kind === "word") {
    const value = constant(token.value);
    if (value === undefined) throw new TemplateProblem(`${token.value} needs parentheses`);
    return value;
  }
  if (token.value !== "(") throw new TemplateProblem(`${token.value} is out of place`);
  const value = pipeline(queue, data, depth + 1);
  if (queue.shift()?.value !== ")") throw new TemplateProblem("a parenthesis is not closed");
  return value;
}

function constant(word: string): Json | undefined {
  if (word === "true" || word === "false") return word === "true";
  return /^-?\d+(\.\d+)?$/.test(word) ? Number(word) : undefined;
}

/** `.ObjectMeta.Labels.app`: keys as they are, or as Go writes the field of that name. */
function lookUp(data: JsonObject, path: string): Json | undefined {
  let value: Json | undefined = data;
  for (const part of path.split(".").filter(each => each !== "")) {
    if (!isObject(value)) return undefined;
    const own: string = Object.hasOwn(value, part)
      ? part
      : part.charAt(0).toLowerCase() + part.slice(1);
    value = Object.hasOwn(value, own) ? value[own] : undefined;
  }
  return value;
}
