/**
 * Custom injection templates: YAML with Go's template actions. What is read: values
 * (`{{ .ObjectMeta.Name }}`, `{{ index .ObjectMeta.Annotations "a/b" }}`), text, numbers, variables,
 * pipelines, `if`, `with`, `range` (each with `else`), `break`, `continue`, `define`, `template`,
 * `block`, comments, trimming with `-`, and the functions of template-functions.ts. Anything else is
 * refused by line and word. https://pkg.go.dev/text/template
 */
import type { Json, JsonObject } from "../api/kind.ts";
import { nearest } from "../base/nearest.ts";
import { isArray, isObject } from "../sources/json.ts";
import { Budget } from "./template-budget.ts";
import { callFunction, functionNames, isTruthy } from "./template-functions.ts";
import { type BlockNode, type Node, Parser, TemplateProblem } from "./template-parse.ts";

export type Rendered =
  | { readonly ok: true; readonly text: string }
  /** `line 3: ...` */
  | { readonly ok: false; readonly message: string };

/**
 * What there may be at a path of the data, as `""` or `MeshConfig.defaultConfig`: another name is a
 * mistake, and not just a value that is not there.
 */
export type KnownFields = Readonly<Record<string, readonly string[]>>;

const MAX_TEMPLATE = 256 << 10;
const MAX_OUTPUT = 1 << 20;
const MAX_STEPS = 100_000;
const MAX_DEPTH = 32;
const MAX_WORDS = 4096;

type Value = Json | undefined;

export function renderTemplate(text: string, data: JsonObject, fields: KnownFields = {}): Rendered {
  if (text.length > MAX_TEMPLATE)
    return { ok: false, message: `a template may have at most ${MAX_TEMPLATE} characters` };
  let parser: Parser | undefined;
  let run: Run | undefined;
  try {
    parser = new Parser(text);
    const { nodes, defined } = parser.parse();
    run = new Run(defined, fields);
    run.list(nodes, { dot: data, variables: [new Map([["$", data]])], isRoot: true, depth: 0 });
    return { ok: true, text: run.text };
  } catch (error) {
    // RangeError: too long or too deep for the engine itself.
    if (!(error instanceof TemplateProblem || error instanceof RangeError)) throw error;
    return { ok: false, message: `line ${run?.line ?? parser?.line ?? 1}: ${error.message}` };
  }
}

/** Where an action stands. */
interface Scope {
  readonly dot: Value;
  /** The innermost last. */
  readonly variables: readonly Map<string, Value>[];
  /** Whether the dot is the whole data. */
  readonly isRoot: boolean;
  /** Of templates that call templates. */
  readonly depth: number;
}

type Jump = "break" | "continue" | undefined;

class Run {
  readonly #defined: ReadonlyMap<string, readonly Node[]>;
  readonly #fields: KnownFields;
  readonly #out: string[] = [];
  readonly #budget = new Budget();
  #size = 0;
  #steps = 0;
  line = 1;

  constructor(defined: ReadonlyMap<string, readonly Node[]>, fields: KnownFields) {
    this.#defined = defined;
    this.#fields = fields;
  }

  get text(): string {
    return this.#out.join("");
  }

  list(nodes: readonly Node[], scope: Scope): Jump {
    for (const node of nodes) {
      const jump = this.#node(node, scope);
      if (jump !== undefined) return jump;
    }
    return undefined;
  }

  #step(): void {
    this.#steps += 1;
    if (this.#steps > MAX_STEPS) throw new TemplateProblem(`more than ${MAX_STEPS} steps`);
  }

  #node(node: Node, scope: Scope): Jump {
    this.#step();
    if (node.kind === "text") {
      this.#write(node.text);
      return undefined;
    }
    this.line = node.line;
    switch (node.kind) {
      case "break":
      case "continue":
        return node.kind;
      case "template":
        this.#template(node, scope);
        return undefined;
      case "print":
        this.#print(node.expression, scope);
        return undefined;
      default:
        return this.#block(node, scope);
    }
  }

  #write(text: string): void {
    this.#size += text.length;
    if (this.#size > MAX_OUTPUT)
      throw new TemplateProblem(`the template gives more than ${MAX_OUTPUT} characters`);
    this.#out.push(text);
  }

  #print(expression: string, scope: Scope): void {
    const { names, assigns, pipeline } = assignment(expression);
    const value = this.#evaluate(pipeline, scope);
    const [name, ...more] = names;
    if (more.length > 0) throw new TemplateProblem("two variables are for range only");
    if (name === undefined) {
      this.#budget.whole(value);
      this.#write(printed(value));
    } else if (assigns) holderOf(name, scope).set(name, value);
    else scope.variables.at(-1)?.set(name, value);
  }

  #template(node: Extract<Node, { readonly kind: "template" }>, scope: Scope): void {
    const body = this.#defined.get(node.name);
    const known = [...this.#defined.keys()].join(", ") || "none";
    if (body === undefined)
      throw new TemplateProblem(`there is no template "${node.name}"; defined are ${known}`);
    if (scope.depth > MAX_DEPTH) throw new TemplateProblem("templates call one another too deep");
    const dot = node.expression === "" ? undefined : this.#evaluate(node.expression, scope);
    const isRoot = scope.isRoot && dot === scope.dot;
    this.list(body, { dot, variables: [new Map([["$", dot]])], isRoot, depth: scope.depth + 1 });
  }

  #block(node: BlockNode, scope: Scope): Jump {
    const { names, pipeline } = assignment(node.expression);
    const value = this.#evaluate(pipeline, scope);
    this.#budget.glance(value);
    if (node.kind === "range") return this.#range(node, names, value, scope);
    const own = new Map(names.map(name => [name, value]));
    const inner = { ...scope, variables: [...scope.variables, own] };
    if (!isTruthy(value)) return this.list(node.otherwise, inner);
    const dot = node.kind === "with" ? { dot: value, isRoot: false } : {};
    return this.list(node.body, { ...inner, ...dot });
  }

  #range(node: BlockNode, names: readonly string[], value: Value, scope: Scope): Jump {
    let isEmpty = true;
    for (const [key, dot] of itemsOf(value)) {
      isEmpty = false;
      this.#step();
      const [first, second] = names;
      const own = new Map<string, Value>();
      if (first !== undefined) own.set(first, second === undefined ? dot : key);
      if (second !== undefined) own.set(second, dot);
      const inner = { ...scope, dot, isRoot: false, variables: [...scope.variables, own] };
      if (this.list(node.body, inner) === "break") break;
    }
    return isEmpty ? this.list(node.otherwise, scope) : undefined;
  }

  #evaluate(expression: string, scope: Scope): Value {
    this.#budget.spend(expression.length);
    const queue = tokens(expression);
    const value = this.#pipeline(queue, scope, 0);
    const [left] = queue;
    if (left !== undefined) throw new TemplateProblem(`${left.value} is one too many`);
    return value;
  }

  #pipeline(queue: Token[], scope: Scope, depth: number): Value {
    if (depth > MAX_DEPTH) throw new TemplateProblem("too many parentheses");
    let value = this.#command(queue, scope, depth, []);
    while (queue[0]?.kind === "mark" && queue[0].value === "|") {
      queue.shift();
      value = this.#command(queue, scope, depth, [value]);
    }
    return value;
  }

  /** A function with its arguments (what is piped comes last), or one operand. */
  #command(queue: Token[], scope: Scope, depth: number, piped: readonly Value[]): Value {
    const [first] = queue;
    if (first === undefined) throw new TemplateProblem("a value is missing");
    const isFunction = first.kind === "word" && constant(first.value) === undefined;
    if (!isFunction) {
      if (piped.length > 0) throw new TemplateProblem(`| wants a function, found ${first.value}`);
      return this.#operand(queue, scope, depth);
    }
    queue.shift();
    const values: Value[] = [];
    while (queue[0] !== undefined && !(queue[0].kind === "mark" && queue[0].value !== "("))
      values.push(this.#operand(queue, scope, depth));
    const result = callFunction(first.value, [...values, ...piped], this.#budget);
    if (result === undefined) {
      const known = functionNames().join(", ");
      throw new TemplateProblem(`there is no function ${first.value}; there are ${known}`);
    }
    if (result.ok) return result.value;
    throw new TemplateProblem(`${first.value}: ${result.message}`);
  }

  #operand(queue: Token[], scope: Scope, depth: number): Value {
    const token = queue.shift();
    if (token === undefined) throw new TemplateProblem("a value is missing");
    switch (token.kind) {
      case "text":
        return token.value;
      case "path":
        return this.#path(token.value, scope);
      case "word": {
        const value = constant(token.value);
        if (value === undefined) throw new TemplateProblem(`${token.value} needs parentheses`);
        return value;
      }
      case "mark": {
        if (token.value !== "(") throw new TemplateProblem(`${token.value} is out of place`);
        const value = this.#pipeline(queue, scope, depth + 1);
        const close = queue.shift();
        if (close?.value.startsWith(")") !== true)
          throw new TemplateProblem("a parenthesis is not closed");
        return this.#lookUp(value, close.value.slice(1), false);
      }
    }
  }

  /** `.a.b` of the dot, `$.a.b` of the data, `$name.a.b` of a variable. */
  #path(path: string, scope: Scope): Value {
    if (!path.startsWith("$")) return this.#lookUp(scope.dot, path, scope.isRoot);
    const [name = "$"] = path.split(".");
    const value = holderOf(name, scope).get(name);
    const [root] = scope.variables;
    return this.#lookUp(value, path.slice(name.length), name === "$" && isWhole(root, scope));
  }

  /** `.ObjectMeta.Labels.app`: keys as they are, or as Go writes the field of that name. */
  #lookUp(from: Value, path: string, isRoot: boolean): Value {
    let value = from;
    let at = isRoot ? "" : undefined;
    for (const part of path.split(".").filter(each => each !== "")) {
      const key = keyOf(value, part, at === undefined ? undefined : this.#fields[at]);
      if (at !== undefined) at = at === "" ? key : `${at}.${key}`;
      value = isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
    }
    return value;
  }
}

/** In a template that was called, `$` is what it was called with. */
function isWhole(root: Map<string, Value> | undefined, scope: Scope): boolean {
  return scope.depth === 0 || (scope.isRoot && root?.get("$") === scope.dot);
}

function keyOf(value: Value, part: string, known: readonly string[] | undefined): string {
  const lower = part.charAt(0).toLowerCase() + part.slice(1);
  const has = (key: string): boolean => isObject(value) && Object.hasOwn(value, key);
  const key = has(part) ? part : lower;
  if (known === undefined || has(key) || known.includes(key) || known.includes(part)) return key;
  const near = nearest(part, known) ?? nearest(lower, known);
  const hint = near === undefined ? `there are ${known.join(", ")}` : `did you mean ${near}?`;
  throw new TemplateProblem(`there is no field ${part}: ${hint}`);
}

function holderOf(name: string, { variables }: Scope): Map<string, Value> {
  const holder = variables.findLast(each => each.has(name));
  if (holder === undefined) throw new TemplateProblem(`there is no variable ${name}`);
  return holder;
}

/** Index and item of a list, or key and value of an object by the order of the keys. */
function* itemsOf(value: Value): Generator<readonly [Json, Value]> {
  if (value === undefined || value === null) return;
  if (isArray(value)) yield* value.entries();
  else if (isObject(value)) for (const key of Object.keys(value).sort()) yield [key, value[key]];
  else if (typeof value === "number" && Number.isInteger(value) && value >= 0)
    for (let i = 0; i < value; i += 1) yield [i, i];
  else
    throw new TemplateProblem(
      `range wants a list or an object, found ${printed(value).slice(0, 40)}`,
    );
}

const ASSIGNMENT = /^(\$\w+)(?:\s*,\s*(\$\w+))?\s*(:?=)(?!=)\s*([\s\S]*)$/;

function assignment(expression: string): {
  readonly names: readonly string[];
  /** `=`: to a variable that is there. */
  readonly assigns: boolean;
  readonly pipeline: string;
} {
  const match = ASSIGNMENT.exec(expression);
  if (match === null) return { names: [], assigns: false, pipeline: expression };
  const [, first = "", second, sign, pipeline = ""] = match;
  const names = second === undefined ? [first] : [first, second];
  return { names, assigns: sign === "=", pipeline };
}

function printed(value: Value): string {
  if (value === undefined || value === null) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

type Token = { readonly kind: "text" | "word" | "path" | "mark"; readonly value: string };

const TOKEN =
  /\s*(?:"((?:[^"\\]|\\.)*)"|`([^`]*)`|(\$\w*(?:\.\w+)*|\.[\w.]*)|(-?\w[\w.]*)|(\)(?:\.\w+)*|[(|]))/y;

function tokens(expression: string): Token[] {
  const found: Token[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < expression.trimEnd().length) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(expression);
    if (found.length >= MAX_WORDS)
      throw new TemplateProblem(`an action may have at most ${MAX_WORDS} words`);
    if (match === null)
      throw new TemplateProblem(
        `${JSON.stringify(expression.slice(at).trim().slice(0, 40))} is not supported here`,
      );
    const [, quoted, raw, path, word, mark] = match;
    if (quoted !== undefined) found.push({ kind: "text", value: unquote(quoted) });
    else if (raw !== undefined) found.push({ kind: "text", value: raw });
    else if (path !== undefined) found.push({ kind: "path", value: path });
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

function constant(word: string): Json | undefined {
  if (word === "true" || word === "false") return word === "true";
  if (word === "nil") return null;
  return /^-?\d+(\.\d+)?$/.test(word) ? Number(word) : undefined;
}
