/** Collects diagnostics of one object; bounded, so that hostile input can not make it large. */
import type { Diagnostic } from "../base/diagnostic.ts";

const MAX_EACH = 100;

/** Paths are computed only for what is kept. */
type Path = string | (() => string);

export class Report {
  readonly #errors = new Bounded("error");
  readonly #newOnly = new Bounded("warning", { newOnly: true });
  /** Apart from the other warnings: a strict writer must see that there is one. */
  readonly #unknownFields = new Bounded("warning");
  readonly #warnings = new Bounded("warning");

  error(path: Path, reason: string, message: string): void {
    this.#errors.add(path, reason, message);
  }

  /** For a rule that is younger than objects which may be stored (`Diagnostic.newOnly`). */
  newOnly(path: Path, reason: string, message: string): void {
    this.#newOnly.add(path, reason, message);
  }

  warning(path: Path, reason: string, message: string): void {
    this.#warnings.add(path, reason, message);
  }

  unknownField(path: Path, message: string): void {
    this.#unknownFields.add(path, "UnknownField", message);
  }

  get failed(): boolean {
    return this.#errors.count > 0;
  }

  /** False once further unknown fields only count: saves looking for what was meant. */
  get takesUnknownFields(): boolean {
    return this.#unknownFields.count < MAX_EACH;
  }

  /** Errors, what only new objects are refused for, other warnings, unknown fields; each list ends with how many were left out. */
  diagnostics(): readonly Diagnostic[] {
    const lists = [this.#errors, this.#newOnly, this.#warnings, this.#unknownFields];
    return lists.flatMap(list => list.all());
  }
}

class Bounded {
  readonly #severity: Diagnostic["severity"];
  readonly #marks: Pick<Diagnostic, "newOnly">;
  readonly #kept: Diagnostic[] = [];
  count = 0;

  constructor(severity: Diagnostic["severity"], marks: Pick<Diagnostic, "newOnly"> = {}) {
    this.#severity = severity;
    this.#marks = marks;
  }

  add(path: Path, reason: string, message: string): void {
    this.count += 1;
    if (this.#kept.length >= MAX_EACH) return;
    const place = typeof path === "string" ? path : path();
    this.#kept.push({ severity: this.#severity, path: place, reason, message, ...this.#marks });
  }

  all(): readonly Diagnostic[] {
    const more = this.count - this.#kept.length;
    if (more === 0) return this.#kept;
    const severity = this.#severity;
    const message = `and ${more} more ${severity}s`;
    return [...this.#kept, { severity, path: "", reason: "TooMany", message, ...this.#marks }];
  }
}

/** `pathOf("spec.http", 0, "route")` is `spec.http[0].route`; odd keys are put in brackets. */
export function pathOf(start: string, ...parts: readonly (string | number)[]): string {
  let path = start;
  for (const part of parts) path = appendPath(path, part);
  return path;
}

function appendPath(path: string, part: string | number): string {
  if (typeof part === "number") return `${path}[${part}]`;
  if (!/^[A-Za-z_]\w*$/.test(part)) return `${path}[${JSON.stringify(shorten(part))}]`;
  return path === "" ? part : `${path}.${part}`;
}

const PART = /\.?([^.[\]]+)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]/gy;

/** The parts of a path that `pathOf` made; a long key is the beginning of itself. */
export function partsOf(path: string): readonly (string | number)[] {
  return [...path.matchAll(PART)].map(([, name, index, key]) => {
    if (index !== undefined) return Number(index);
    return key === undefined ? (name ?? "") : String(JSON.parse(key));
  });
}

/** For messages: long input is cut. */
export function shorten(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 77)}...`;
}
