/** Collects diagnostics of one object; bounded, so that hostile input can not make it large. */
import type { Diagnostic } from "../base/diagnostic.ts";

const MAX_PER_SEVERITY = 100;

export class Report {
  readonly #errors: Diagnostic[] = [];
  readonly #warnings: Diagnostic[] = [];
  #errorCount = 0;
  #warningCount = 0;

  error(path: string, reason: string, message: string): void {
    this.#errorCount += 1;
    if (this.#errors.length < MAX_PER_SEVERITY)
      this.#errors.push({ severity: "error", path, reason, message });
  }

  warning(path: string, reason: string, message: string): void {
    this.#warningCount += 1;
    if (this.#warnings.length < MAX_PER_SEVERITY)
      this.#warnings.push({ severity: "warning", path, reason, message });
  }

  get failed(): boolean {
    return this.#errorCount > 0;
  }

  /** False once further warnings only count: saves computing their texts. */
  get takesWarnings(): boolean {
    return this.#warningCount < MAX_PER_SEVERITY;
  }

  /** Errors first, each severity in the order found; the last one says how many were left out. */
  diagnostics(): readonly Diagnostic[] {
    return [
      ...this.#errors,
      ...more("error", this.#errorCount - this.#errors.length),
      ...this.#warnings,
      ...more("warning", this.#warningCount - this.#warnings.length),
    ];
  }
}

function more(severity: "error" | "warning", count: number): Diagnostic[] {
  if (count === 0) return [];
  return [{ severity, path: "", reason: "TooMany", message: `and ${count} more ${severity}s` }];
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

/** For messages: long input is cut. */
export function shorten(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 77)}...`;
}
