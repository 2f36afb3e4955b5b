import type { Clock } from "../base/clock.ts";
import type { Log, LogFields } from "../base/log.ts";

export type LogLevel = "debug" | "info" | "warn" | "error" | "none";
export const logLevels: readonly LogLevel[] = ["debug", "info", "warn", "error", "none"];

/** One string of a field longer than this is cut: a log line must stay a line. */
const VALUE_MAX_CHARS = 4096;

export interface LogOptions {
  /** `json`: one JSON object a line; `text`: `time level scope message key=value ...`. */
  readonly format: "json" | "text";
  readonly level: LogLevel;
  readonly clock: Clock;
  /** Gets whole lines with their newline, e.g. `line => void process.stderr.write(line)`. */
  readonly write: (line: string) => void;
}

/** The log of a process; levels can be changed while it runs, for all scopes or for one. */
export interface RootLog extends Log {
  setLevel(level: LogLevel, scope?: string): void;
  level(scope?: string): LogLevel;
  /** Those that were asked for so far; "" is what has none. */
  scopes(): readonly string[];
}

/** Logging never throws: a line that can not be written is lost, not the work that wrote it. */
export function createLog(options: LogOptions): RootLog {
  const levels = new Map<string, LogLevel>([["", options.level]]);
  const levelOf = (scope: string): LogLevel => levels.get(scope) ?? levels.get("") ?? options.level;
  const scopes = new Set<string>();
  const scoped = (name: string): Log => {
    scopes.add(name);
    const emit = (level: LogLevel, message: string, fields: LogFields | undefined): void => {
      if (logLevels.indexOf(level) < logLevels.indexOf(levelOf(name))) return;
      try {
        const time = new Date(options.clock.now()).toISOString();
        options.write(formatLine(options.format, time, level, name, message, fields));
      } catch {
        // There is nowhere left to say so.
      }
    };
    return {
      debug: (message, fields) => emit("debug", message, fields),
      info: (message, fields) => emit("info", message, fields),
      warn: (message, fields) => emit("warn", message, fields),
      error: (message, fields) => emit("error", message, fields),
      scope: scoped,
    };
  };
  return {
    ...scoped(""),
    setLevel: (level, scope = "") => void levels.set(scope, level),
    level: (scope = "") => levelOf(scope),
    scopes: () => [...scopes].sort(),
  };
}

function formatLine(
  format: "json" | "text",
  time: string,
  level: LogLevel,
  scope: string,
  message: string,
  fields: LogFields = {},
): string {
  if (format === "json") {
    const cut: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(fields)) cut[key] = shorten(value);
    // The fixed keys come last in precedence and first in order.
    const head = { time, level, ...(scope === "" ? {} : { scope }), message: shorten(message) };
    return `${JSON.stringify({ ...head, ...cut, ...head })}\n`;
  }
  let line = `${time} ${level.padEnd(5)} ${scope === "" ? "" : `${scope} `}${plain(message)}`;
  for (const [key, value] of Object.entries(fields)) {
    if (value !== undefined) line += ` ${key}=${quote(shorten(value))}`;
  }
  return `${line}\n`;
}

function shorten(value: string | number | boolean | undefined): typeof value {
  if (typeof value !== "string" || value.length <= VALUE_MAX_CHARS) return value;
  return `${value.slice(0, VALUE_MAX_CHARS)}... (${value.length} characters)`;
}

/** Values with spaces, quotes or control characters are quoted, so that a line can be taken apart. */
function quote(value: string | number | boolean | undefined): string {
  const text = String(value);
  return /^[\w./:@%+,~*[\]|-]+$/.test(text) ? text : JSON.stringify(text);
}

/** A message from outside must not forge a second line or move a terminal's cursor. */
function plain(message: string): string {
  const cut = String(shorten(message));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what we remove
  return cut.replace(/[\u0000-\u001f\u007f-\u009f]/g, " ");
}
