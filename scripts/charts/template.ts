/** Trees as Helm templates: YAML with a template's expression where a setting goes. Pure. */
import { assert } from "../../packages/lateen/src/base/assert.ts";
import type { Entry, Part, Scalar, Tree } from "./tree.ts";

/**
 * What stands for a setting while an installation is rendered, and how it is written in a template:
 * - `text`: a string, also within others
 * - `json`: any value
 * - `word`, `optional`: a field with a plain or any value, absent where that is empty
 * - `merge`, as a key: the map of the expression over the other keys
 * - `lines`, as a key or as the name of an item: these lines in its place
 * - `literal`: a text of several lines
 */
export interface Hole {
  readonly type: "text" | "json" | "word" | "optional" | "merge" | "lines" | "literal";
  readonly expression: string;
}

export interface Holes {
  readonly named: Readonly<Record<string, Hole>>;
  /** Where the setting has to be a number. */
  readonly numbers: ReadonlyMap<number, Hole>;
}

/** What the renderer gets for the setting. */
export function hole(name: string): string {
  return `⟪${name}⟫`;
}

const ANY_HOLE = /⟪([^⟫]*)⟫/g;
const WHOLE = /^⟪([^⟫]*)⟫$/;
const SAFE = /^[A-Za-z/][-A-Za-z0-9_./]*$/;
const WORDS = /^(?:true|false|null|yes|no|on|off|y|n)$/i;

/** The lines of a map or list, without those of the conditions around it. */
export function templateLines(tree: Tree, indent: number, holes: Holes): string[] {
  return new Writer(holes).lines(tree, indent);
}

/** Lines within their conditions, which neighbours share. */
export function conditionalLines<T extends Part>(
  parts: readonly T[],
  write: (part: T) => readonly string[],
): string[] {
  const result: string[] = [];
  for (let i = 0; i < parts.length; ) {
    const when = parts[i]?.when ?? [];
    const isAlike = (each: T): boolean => each.when.join() === when.join();
    const end = parts.findIndex((each, index) => index > i && !isAlike(each));
    const run = parts.slice(i, end < 0 ? parts.length : end);
    result.push(...conditional(when, run.flatMap(write)));
    i += run.length;
  }
  return result;
}

function conditional(when: readonly string[], lines: readonly string[]): string[] {
  if (when.length === 0) return [...lines];
  const all = when.length === 1 ? when[0] : `and ${when.map(each => `(${each})`).join(" ")}`;
  return [`{{- if ${all} }}`, ...lines, "{{- end }}"];
}

class Writer {
  readonly #holes: Holes;

  constructor(holes: Holes) {
    this.#holes = holes;
  }

  lines(tree: Tree, indent: number): string[] {
    if (tree.type === "map") return this.#map(tree.entries, indent);
    assert(tree.type === "list", "a document is a map or a list");
    return conditionalLines(tree.items, item => this.#item(item, indent));
  }

  #map(entries: readonly Entry[], indent: number): string[] {
    const sorted = [...entries].sort((a, b) => compare(a.key, b.key));
    return conditionalLines(sorted, entry => this.#entry(entry, indent));
  }

  #entry({ key, tree }: Entry, indent: number): string[] {
    const pad = " ".repeat(indent);
    const keyHole = this.#whole(key);
    if (keyHole !== undefined) {
      assert(keyHole.type === "lines", `${key} can not stand beside other keys`);
      return keyHole.expression.split("\n").map(line => this.#padded(line, pad));
    }
    const name = `${pad}${quoted(key)}:`;
    if (tree.type === "scalar") return this.#field(name, tree.value, indent);
    const merge = tree.type === "map" ? this.#mergeOf(tree.entries) : undefined;
    if (merge !== undefined && tree.type === "map")
      return this.#merged(name, tree.entries, merge, indent);
    if (isEmpty(tree)) return [`${name} ${tree.type === "map" ? "{}" : "[]"}`];
    const below = this.lines(tree, tree.type === "map" ? indent + 2 : indent);
    return [name, ...below];
  }

  #padded(line: string, pad: string): string {
    return line.startsWith("{{-") ? line : `${pad}${line}`;
  }

  #field(name: string, value: Scalar, indent: number): string[] {
    const whole = this.#whole(value);
    if (whole?.type === "optional")
      return [
        `{{- with ${whole.expression} }}`,
        `${name}`,
        `  {{- toYaml . | nindent ${indent + 2} }}`,
        "{{- end }}",
      ];
    if (whole?.type === "word")
      return [`{{- with ${whole.expression} }}`, `${name} {{ toJson . }}`, "{{- end }}"];
    if (whole?.type === "literal")
      return [`${name} |`, `  {{- ${whole.expression} | nindent ${indent + 2} }}`];
    return [`${name} ${this.#scalar(value)}`];
  }

  #mergeOf(entries: readonly Entry[]): Hole | undefined {
    const holes = entries.map(each => this.#whole(each.key));
    return holes.find(each => each?.type === "merge");
  }

  #merged(name: string, entries: readonly Entry[], merge: Hole, indent: number): string[] {
    const own = entries.filter(each => this.#whole(each.key)?.type !== "merge");
    if (own.length === 0)
      return [
        `{{- with ${merge.expression} }}`,
        name,
        `  {{- toYaml . | nindent ${indent + 2} }}`,
        "{{- end }}",
      ];
    const pairs = own.map(({ key, tree, when }) => {
      assert(tree.type === "scalar" && when.length === 0, `${key}: a map of plain texts`);
      return `${JSON.stringify(key)} ${this.#operand(tree.value)}`;
    });
    const both = `(list (dict ${pairs.join(" ")}) ${merge.expression})`;
    return [name, `  {{- include "lateen.merged" ${both} | nindent ${indent + 2} }}`];
  }

  #operand(value: Scalar): string {
    const whole = this.#whole(value);
    return whole === undefined ? JSON.stringify(value) : `(${whole.expression})`;
  }

  #item({ tree }: Part, indent: number): string[] {
    const pad = " ".repeat(indent);
    if (tree.type === "scalar") {
      const whole = this.#whole(tree.value);
      if (whole?.type === "lines")
        return whole.expression.split("\n").map(line => this.#padded(line, pad));
      return [`${pad}- ${this.#scalar(tree.value)}`];
    }
    if (isEmpty(tree)) return [`${pad}- ${tree.type === "map" ? "{}" : "[]"}`];
    const named = tree.type === "map" ? tree.entries.find(each => each.key === "name") : undefined;
    const lines = named?.tree.type === "scalar" ? this.#whole(named.tree.value) : undefined;
    if (lines?.type === "lines")
      return lines.expression.split("\n").map(line => this.#padded(line, pad));
    const below = this.lines(tree, indent + 2);
    const first = below.findIndex(line => !line.startsWith("{{-"));
    assert(first === 0, "the first field of an item is there under all conditions");
    return below.map((line, index) => (index === 0 ? `${pad}- ${line.trimStart()}` : line));
  }

  #scalar(value: Scalar): string {
    const whole = this.#whole(value);
    if (whole?.type === "json") return `{{ toJson (${whole.expression}) }}`;
    if (whole !== undefined) return `{{ ${whole.expression} | quote }}`;
    if (typeof value !== "string") return String(value);
    const literal = value.replaceAll(ANY_HOLE, "x");
    const text = value.replaceAll(ANY_HOLE, (_all, name: string) => {
      const found = this.#named(name);
      assert(found.type === "text", `${name} can not stand within ${value}`);
      return `{{ ${found.expression} }}`;
    });
    if (SAFE.test(literal) && !WORDS.test(literal)) return text;
    assert(!/["\\\n]/.test(literal), `${value}: a text of one line without quotation marks`);
    return `"${text}"`;
  }

  #whole(value: Scalar): Hole | undefined {
    if (typeof value === "number") return this.#holes.numbers.get(value);
    const name = typeof value === "string" ? WHOLE.exec(value)?.[1] : undefined;
    return name === undefined ? undefined : this.#named(name);
  }

  #named(name: string): Hole {
    const found = this.#holes.named[name];
    assert(found !== undefined, `there is no hole ${name}`);
    return found;
  }
}

function isEmpty(tree: Tree): boolean {
  if (tree.type === "scalar") return false;
  return (tree.type === "map" ? tree.entries : tree.items).length === 0;
}

function quoted(key: string): string {
  return SAFE.test(key) && !WORDS.test(key) ? key : JSON.stringify(key);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
