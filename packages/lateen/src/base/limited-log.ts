/**
 * A log for what outsiders cause: whoever is refused tries again for ever, and must not fill a disk.
 * Of each reason a few lines a minute are written, and then how many more there were.
 */
import type { Clock } from "./clock.ts";
import type { Log, LogFields } from "./log.ts";
import { ownText } from "./own-text.ts";

export interface LogLimits {
  /** Lines of one key in a minute, and of all. */
  readonly linesPerKey: number;
  readonly linesMax: number;
  /** Keys that are told apart in a minute; what comes after them is counted together. */
  readonly keysMax: number;
  /** Lines at the end of a minute; the rest of the keys is counted together. */
  readonly summariesMax: number;
}

export const defaultLogLimits: LogLimits = {
  linesPerKey: 3,
  linesMax: 60,
  keysMax: 1_000,
  summariesMax: 10,
};

const EVERY_MS = 60_000;
const FIELD_MAX_CHARS = 512;

type Level = "warn" | "error";

interface Counted {
  readonly level: Level;
  readonly message: string;
  /** Of the newest line that was not written. */
  fields: LogFields;
  lines: number;
  more: number;
}

export class LimitedLog {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #limits: LogLimits;
  readonly #keys = new Map<string, Counted>();
  #beganAt: number;
  #lines = 0;
  /** Of keys that are not told apart. */
  #others = 0;
  #isArmed = false;

  constructor(log: Log, clock: Clock, limits: Partial<LogLimits> = {}) {
    this.#log = log;
    this.#clock = clock;
    this.#limits = { ...defaultLogLimits, ...limits };
    this.#beganAt = clock.monotonic();
  }

  /** Keys that are told apart now. */
  get keys(): number {
    return this.#keys.size;
  }

  /** `by`: who caused it, and what else tells reasons apart, without what a client can vary at will. */
  warn(by: string, message: string, fields: LogFields): void {
    this.#say("warn", by, message, fields);
  }

  error(by: string, message: string, fields: LogFields): void {
    this.#say("error", by, message, fields);
  }

  #say(level: Level, by: string, message: string, fields: LogFields): void {
    const now = this.#clock.monotonic();
    if (now - this.#beganAt >= EVERY_MS) this.#endMinute(now);
    const counted = this.#counted(level, by, message, fields);
    if (counted === undefined) this.#others++;
    else if (counted.lines < this.#limits.linesPerKey && this.#lines < this.#limits.linesMax) {
      counted.lines++;
      this.#lines++;
      this.#log[level](message, shortened(fields));
      return;
    } else {
      counted.more++;
      counted.fields = shortened(fields);
    }
    this.#arm();
  }

  #counted(level: Level, by: string, message: string, fields: LogFields): Counted | undefined {
    const key = `${level}\n${message}\n${ownText(by, FIELD_MAX_CHARS)}`;
    const known = this.#keys.get(key);
    if (known !== undefined) return known;
    if (this.#keys.size >= this.#limits.keysMax) return undefined;
    const made = { level, message, fields: shortened(fields), lines: 0, more: 0 };
    this.#keys.set(key, made);
    return made;
  }

  /** Only while something is to be summed up. */
  #arm(): void {
    if (this.#isArmed) return;
    this.#isArmed = true;
    const leftMs = Math.max(0, this.#beganAt + EVERY_MS - this.#clock.monotonic());
    this.#clock.after(leftMs, () => {
      this.#isArmed = false;
      this.#endMinute(this.#clock.monotonic());
    });
  }

  #endMinute(now: number): void {
    const more = [...this.#keys.values()].filter(each => each.more > 0);
    const others = this.#others;
    this.#keys.clear();
    this.#others = 0;
    this.#lines = 0;
    this.#beganAt = now;
    more.sort((a, b) => b.more - a.more);
    const { summariesMax } = this.#limits;
    for (const { level, message, fields, more: count } of more.slice(0, summariesMax))
      this.#log[level](`${message}: ${count} more in the last minute, the newest for this`, fields);
    const rest = more.slice(summariesMax).reduce((sum, each) => sum + each.more, others);
    if (rest > 0)
      this.#log.warn("and more lines about what clients did in the last minute", { count: rest });
  }
}

function shortened(fields: LogFields): LogFields {
  const entries = Object.entries(fields).map(([key, value]) => [
    key,
    typeof value === "string" ? ownText(value, FIELD_MAX_CHARS) : value,
  ]);
  return Object.fromEntries(entries) as LogFields;
}
