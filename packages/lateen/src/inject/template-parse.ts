/** Go's text templates as a tree: text, actions, and blocks with what is inside them. */

/** Thrown by the files of the template engine only, and caught by renderTemplate. */
export class TemplateProblem extends Error {}

export type Node =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "print"; readonly line: number; readonly expression: string }
  | { readonly kind: "break" | "continue"; readonly line: number }
  /** `{{ template "name" pipeline }}`. */
  | {
      readonly kind: "template";
      readonly line: number;
      readonly name: string;
      readonly expression: string;
    }
  | BlockNode;

export interface BlockNode {
  readonly kind: "if" | "with" | "range";
  readonly line: number;
  readonly expression: string;
  readonly body: readonly Node[];
  readonly otherwise: readonly Node[];
}

export interface Parsed {
  readonly nodes: readonly Node[];
  /** By the names of `define` and `block`. */
  readonly defined: ReadonlyMap<string, readonly Node[]>;
}

const MAX_DEPTH = 32;

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

export class Parser {
  readonly #pieces: readonly Piece[];
  readonly #defined = new Map<string, readonly Node[]>();
  #next = 0;
  /** Ranges around what is being read. */
  #ranges = 0;
  /** Of what is being read, for messages. */
  line = 1;

  constructor(text: string) {
    this.#pieces = cut(text);
  }

  parse(): Parsed {
    const { nodes, end } = this.#list(0);
    if (end !== undefined) throw new TemplateProblem(`${end.word} without an if, with or range`);
    return { nodes, defined: this.#defined };
  }

  /** Up to the `else` or `end` that closes the list. */
  #list(depth: number): {
    readonly nodes: Node[];
    readonly end: { readonly word: "else" | "end"; readonly rest: string } | undefined;
  } {
    if (depth > MAX_DEPTH) throw new TemplateProblem(`more than ${MAX_DEPTH} nested blocks`);
    const nodes: Node[] = [];
    for (;;) {
      const piece = this.#pieces[this.#next];
      if (piece === undefined) return { nodes, end: undefined };
      this.#next += 1;
      this.line = piece.line;
      const { action, line } = piece;
      if (action === undefined) {
        nodes.push({ kind: "text", text: piece.text });
        continue;
      }
      if (action.startsWith("/*")) continue;
      const [, word = "", rest = ""] = /^(\w+)?\s*([\s\S]*)$/.exec(action) ?? [];
      if (word === "else" || word === "end") return { nodes, end: { word, rest } };
      nodes.push(...this.#action(word, rest, action, line, depth));
    }
  }

  #action(word: string, rest: string, action: string, line: number, depth: number): Node[] {
    switch (word) {
      case "if":
      case "with":
      case "range":
        return [this.#block(word, rest, line, depth)];
      case "break":
      case "continue":
        if (this.#ranges === 0) throw new TemplateProblem(`${word} without a range`);
        return [{ kind: word, line }];
      case "define":
      case "block": {
        const [name, expression] = named(word, rest);
        const ranges = this.#ranges;
        this.#ranges = 0;
        const body = this.#body(word, line, depth);
        this.#ranges = ranges;
        if (this.#defined.has(name)) throw new TemplateProblem(`"${name}" is defined twice`);
        this.#defined.set(name, body);
        return word === "define" ? [] : [{ kind: "template", line, name, expression }];
      }
      case "template": {
        const [name, expression] = named(word, rest);
        return [{ kind: "template", line, name, expression }];
      }
      default:
        return [{ kind: "print", line, expression: action }];
    }
  }

  #body(word: string, line: number, depth: number): readonly Node[] {
    const { nodes, end } = this.#list(depth + 1);
    this.#closed(word, line, end !== undefined);
    if (end?.word === "else") throw new TemplateProblem(`else in a ${word}`);
    return nodes;
  }

  #block(kind: BlockNode["kind"], expression: string, line: number, depth: number): BlockNode {
    const inside = kind === "range" ? 1 : 0;
    this.#ranges += inside;
    const { nodes: body, end } = this.#list(depth + 1);
    this.#ranges -= inside;
    this.#closed(kind, line, end !== undefined);
    const block = { kind, line, expression, body };
    if (end?.word !== "else") return { ...block, otherwise: [] };
    const chained = /^(if|with)\s+([\s\S]+)$/.exec(end.rest);
    if (chained === null) {
      if (end.rest !== "") throw new TemplateProblem(`else wants if or nothing, found ${end.rest}`);
      return { ...block, otherwise: this.#body(kind, line, depth) };
    }
    const [, word, condition = ""] = chained;
    const next = word === "if" ? "if" : "with";
    // The end of a chain is the end of all its links.
    return { ...block, otherwise: [this.#block(next, condition, this.line, depth + 1)] };
  }

  #closed(word: string, line: number, closed: boolean): void {
    if (closed) return;
    this.line = line;
    throw new TemplateProblem(`${word === "if" ? "an" : "a"} ${word} has no end`);
  }
}

function named(word: string, rest: string): readonly [name: string, expression: string] {
  const match = /^(?:"([^"\\]+)"|`([^`]+)`)\s*([\s\S]*)$/.exec(rest);
  const name = match?.[1] ?? match?.[2];
  if (name === undefined) throw new TemplateProblem(`${word} wants a name in quotes`);
  return [name, match?.[3] ?? ""];
}
