/**
 * kubectl's JSONPath templates (https://kubernetes.io/docs/reference/kubectl/jsonpath/): text with
 * expressions in braces, `range` and `end`, filters, slices, unions and `..`. What an object does not
 * have gives nothing, as with `kubectl get`.
 */
import type { Json } from "../../api/kind.ts";
import { isArray, isObject } from "../../sources/json.ts";
import { UserError } from "../command.ts";

type Node =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "path"; readonly path: Path }
  | { readonly type: "range"; readonly path: Path; readonly body: readonly Node[] };

interface Path {
  /** `$`: from the whole, whatever `range` is at. */
  readonly absolute: boolean;
  readonly steps: readonly Step[];
}

type Step =
  | { readonly type: "field"; readonly name: string }
  | { readonly type: "anywhere" }
  | { readonly type: "every" }
  | { readonly type: "union"; readonly keys: readonly (string | number)[] }
  | { readonly type: "slice"; readonly slice: Slice }
  | { readonly type: "filter"; readonly left: Operand; readonly test?: Comparison };

interface Slice {
  readonly from: number | undefined;
  readonly to: number | undefined;
  readonly step: number;
}

type Operator = "==" | "!=" | "<" | ">" | "<=" | ">=";
type Operand = Path | { readonly value: string | number | boolean };

interface Comparison {
  readonly operator: Operator;
  readonly right: Operand;
}

const MAX_DEPTH = 16;
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r" };

/** A compiled template; throws a `UserError` that names what can not be read. */
export function jsonPathTemplate(template: string): (root: Json) => string {
  const nodes = parseTemplate(template);
  return root => print(nodes, root, root);
}

/** A column of `custom-columns`: the expression without braces; every value that it finds. */
export function jsonPathValues(expression: string): (root: Json) => readonly Json[] {
  const text =
    expression.startsWith(".") || expression.startsWith("{") ? expression : `.${expression}`;
  const inner = text.startsWith("{") && text.endsWith("}") ? text.slice(1, -1) : text;
  const path = new PathReader(inner, expression).whole();
  return root => follow(path, root, root);
}

export function jsonPathText(value: Json): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function print(nodes: readonly Node[], root: Json, at: Json): string {
  return nodes.map(node => printOne(node, root, at)).join("");
}

function printOne(node: Node, root: Json, at: Json): string {
  switch (node.type) {
    case "text":
      return node.text;
    case "path":
      return follow(node.path, root, at).map(jsonPathText).join(" ");
    case "range":
      return follow(node.path, root, at)
        .map(each => print(node.body, root, each))
        .join("");
  }
}

/** Braces around words; `range` opens a body that `end` closes. */
function parseTemplate(template: string): readonly Node[] {
  const bodies: Node[][] = [[]];
  const ranges: Path[] = [];
  const add = (node: Node): void => void bodies.at(-1)?.push(node);
  for (const [text, inside] of pieces(template)) {
    if (!inside) add({ type: "text", text });
    else if (text === "end") {
      const path = ranges.pop();
      const body = bodies.pop();
      if (path === undefined || body === undefined) throw wrong(template, "{end} without {range}");
      add({ type: "range", path, body });
    } else if (text.startsWith("range ")) {
      if (ranges.length === MAX_DEPTH) throw wrong(template, `more than ${MAX_DEPTH} ranges`);
      ranges.push(new PathReader(text.slice("range ".length).trim(), template).whole());
      bodies.push([]);
    } else add(expression(text, template));
  }
  if (ranges.length > 0) throw wrong(template, "{range} without {end}");
  return bodies[0] ?? [];
}

function expression(text: string, template: string): Node {
  const quoted = /^(["'])(.*)\1$/s.exec(text);
  return quoted === null
    ? { type: "path", path: new PathReader(text, template).whole() }
    : { type: "text", text: unescape(quoted[2] ?? "") };
}

function unescape(text: string): string {
  return text.replace(/\\(.)/gs, (_, char: string) => ESCAPES[char] ?? char);
}

/** Text, and the trimmed inside of braces; quotes hide braces. */
function* pieces(template: string): Generator<readonly [text: string, inside: boolean]> {
  let rest = template;
  while (rest !== "") {
    const open = rest.indexOf("{");
    if (open !== 0) yield [open < 0 ? rest : rest.slice(0, open), false];
    if (open < 0) return;
    const inside = /^\{((?:[^"'{}]|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')*)\}/s.exec(
      rest.slice(open),
    );
    if (inside === null) throw wrong(template, "an open brace is not closed");
    yield [(inside[1] ?? "").trim(), true];
    rest = rest.slice(open + inside[0].length);
  }
}

function wrong(template: string, problem: string): UserError {
  return new UserError(
    `jsonpath ${JSON.stringify(template)}: ${problem}`,
    `for example '{range .items[*]}{.metadata.name}{"\\n"}{end}'`,
  );
}

const FIELD = /\.?((?:[^.[\]{}()|,\s*?@$=<>!"'\\]|\\.)+)/y;
const INSIDE = /\[([^[\]]*(?:\[[^[\]]*\][^[\]]*)*)\]/y;
const QUOTED = /^(["'])(.*)\1$/s;
const COMPARISON = /^(.*?)\s*(==|!=|<=|>=|<|>)\s*(.*)$/s;

class PathReader {
  readonly #text: string;
  readonly #template: string;
  #at = 0;

  constructor(text: string, template: string) {
    this.#text = text;
    this.#template = template;
  }

  whole(): Path {
    const absolute = this.#text.startsWith("$");
    if (/^[$@]/.test(this.#text)) this.#at = 1;
    const steps: Step[] = [];
    while (this.#at < this.#text.length) steps.push(...this.#step());
    return { absolute, steps };
  }

  #step(): Step[] {
    if (this.#take("..")) {
      // `..[0]` as well as `..name`.
      return [{ type: "anywhere" }];
    }
    if (this.#take(".*") || this.#take("*")) return [{ type: "every" }];
    const inside = this.#match(INSIDE);
    if (inside !== undefined) return [this.#bracket(inside.trim())];
    const name = this.#match(FIELD);
    if (name !== undefined) return [{ type: "field", name: name.replace(/\\(.)/gs, "$1") }];
    if (this.#text.slice(this.#at) === ".") {
      this.#at++;
      return [];
    }
    throw wrong(this.#template, `found ${JSON.stringify(this.#text.slice(this.#at))}`);
  }

  #bracket(inside: string): Step {
    if (inside === "*") return { type: "every" };
    const filter = /^\?\((.*)\)$/s.exec(inside);
    if (filter !== null) return this.#filter((filter[1] ?? "").trim());
    if (/^-?\d*:-?\d*(?::-?\d+)?$/.test(inside)) return { type: "slice", slice: sliceOf(inside) };
    const keys = inside.split(",").map(each => this.#key(each.trim()));
    return { type: "union", keys };
  }

  #key(text: string): string | number {
    const quoted = QUOTED.exec(text);
    if (quoted !== null) return quoted[2] ?? "";
    if (/^-?\d+$/.test(text)) return Number(text);
    throw wrong(this.#template, `found ${JSON.stringify(text)} in brackets`);
  }

  #filter(text: string): Step {
    const compared = COMPARISON.exec(text);
    if (compared === null) return { type: "filter", left: this.#operand(text) };
    const [, left = "", operator, right = ""] = compared;
    const test = { operator: operator as Operator, right: this.#operand(right) };
    return { type: "filter", left: this.#operand(left), test };
  }

  #operand(text: string): Operand {
    const quoted = QUOTED.exec(text);
    if (quoted !== null) return { value: unescape(quoted[2] ?? "") };
    if (text === "true" || text === "false") return { value: text === "true" };
    if (/^-?\d+(?:\.\d+)?$/.test(text)) return { value: Number(text) };
    return new PathReader(text, this.#template).whole();
  }

  #take(text: string): boolean {
    if (!this.#text.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found === null) return undefined;
    this.#at = pattern.lastIndex;
    return found[1];
  }
}

function sliceOf(text: string): Slice {
  const [from, to, step] = text.split(":").map(part => (part === "" ? undefined : Number(part)));
  return { from, to, step: step ?? 1 };
}

function follow(path: Path, root: Json, at: Json): readonly Json[] {
  let found: readonly Json[] = [path.absolute ? root : at];
  for (const step of path.steps)
    found =
      step.type === "union"
        ? step.keys.flatMap(key => found.flatMap(value => keyed(value, key)))
        : found.flatMap(value => taken(step, value, root));
  return found;
}

function taken(
  step: Exclude<Step, { readonly type: "union" }>,
  value: Json,
  root: Json,
): readonly Json[] {
  switch (step.type) {
    case "field":
      return fieldOf(value, step.name);
    case "anywhere":
      return withAllBelow(value);
    case "every":
      return children(value);
    case "slice":
      return isArray(value) ? sliced(value, step.slice) : [];
    case "filter":
      return children(value).filter(each => passes(step, each, root));
  }
}

function fieldOf(value: Json, name: string): readonly Json[] {
  const found = isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
  return found === undefined ? [] : [found];
}

/** kubectl takes `['a.b']` for a path; a key that is there with its dots goes before it. */
function keyed(value: Json, key: string | number): readonly Json[] {
  if (typeof key === "number") return itemOf(value, key);
  const own = fieldOf(value, key.replaceAll("\\.", "."));
  if (own.length > 0) return own;
  let found: readonly Json[] = [value];
  for (const name of key.split(/(?<!\\)\./))
    found = found.flatMap(each => fieldOf(each, name.replaceAll("\\.", ".")));
  return found;
}

function itemOf(value: Json, index: number): readonly Json[] {
  const found = isArray(value) ? value.at(index) : undefined;
  return found === undefined ? [] : [found];
}

function children(value: Json): readonly Json[] {
  if (isArray(value)) return value;
  return isObject(value) ? Object.values(value).filter(each => each !== undefined) : [];
}

function withAllBelow(value: Json): readonly Json[] {
  return [value, ...children(value).flatMap(withAllBelow)];
}

function sliced(list: readonly Json[], { from = 0, to = list.length, step }: Slice): Json[] {
  const part = list.slice(from, to);
  return step <= 1 ? part : part.filter((_, index) => index % step === 0);
}

function passes(
  { left, test }: { readonly left: Operand; readonly test?: Comparison },
  at: Json,
  root: Json,
): boolean {
  const [value] = valuesOf(left, at, root);
  if (test === undefined) return value !== undefined;
  const [other] = valuesOf(test.right, at, root);
  return value !== undefined && other !== undefined && compare(value, other, test.operator);
}

function valuesOf(operand: Operand, at: Json, root: Json): readonly Json[] {
  return "value" in operand ? [operand.value] : follow(operand, root, at);
}

function compare(a: Json, b: Json, operator: Operator): boolean {
  const bothNumbers = typeof a === "number" && typeof b === "number";
  const order = bothNumbers
    ? a - b
    : jsonPathText(a) < jsonPathText(b)
      ? -1
      : Number(jsonPathText(a) > jsonPathText(b));
  switch (operator) {
    case "==":
      return order === 0;
    case "!=":
      return order !== 0;
    case "<":
      return order < 0;
    case ">":
      return order > 0;
    case "<=":
      return order <= 0;
    case ">=":
      return order >= 0;
  }
}
