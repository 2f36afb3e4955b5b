/**
 * Whether Envoy takes a regular expression: RE2's syntax (google/re2, "Syntax"), which is Perl's
 * without what can not be matched in linear time. One that Envoy refuses would take the routes of
 * everybody else with it.
 */
import type { StringCheck } from "../schema.ts";

/** Istio's bound on the length. */
export const MAX_REGEX = 1024;
/** Envoy matches bytes. */
const MAX_CODE = 0xff;
/** RE2's bound on repetitions, also where they are nested. */
const MAX_REPEAT = 1000;

export const re2: StringCheck = text => {
  const problem = new Parser(text).problem();
  return problem === undefined ? undefined : `a regular expression in RE2 syntax: ${problem}`;
};

/** One bracket that is open, or the whole. */
interface Frame {
  /** How often its largest part is repeated. */
  weight: number;
}

const NAMED_CLASSES: ReadonlySet<string> = new Set(
  "alnum alpha ascii blank cntrl digit graph lower print punct space upper word xdigit".split(" "),
);

class Problem extends Error {}

class Parser {
  readonly #text: string;
  #at = 0;
  readonly #outer: Frame[] = [];
  #frame: Frame = { weight: 1 };
  /** Weight of what a repetition would repeat; undefined: there is nothing. */
  #last: number | undefined;
  #afterRepeat = false;

  constructor(text: string) {
    this.#text = text;
  }

  /** undefined: there is none. */
  problem(): string | undefined {
    try {
      while (this.#at < this.#text.length) this.#step();
      if (this.#outer.length > 0) fail("a ) is missing");
      return undefined;
    } catch (error) {
      if (error instanceof Problem) return error.message;
      throw error;
    }
  }

  #step(): void {
    const next = this.#text[this.#at] ?? "";
    switch (next) {
      case "\\":
        this.#escape();
        return;
      case "[":
        this.#at++;
        this.#class();
        return;
      case "(":
        this.#open();
        return;
      case ")":
        this.#close();
        return;
      case "|":
        this.#at++;
        this.#last = undefined;
        this.#afterRepeat = false;
        return;
      case "*":
      case "+":
      case "?":
        this.#at++;
        this.#repeat(next, 1);
        return;
      case "{":
        if (!this.#counted()) this.#atom(1);
        return;
      default:
        this.#atom(1);
    }
  }

  /** Something that can be repeated, of `length` characters. */
  #atom(length: number, weight = 1): void {
    this.#at += length;
    this.#last = weight;
    this.#afterRepeat = false;
    this.#frame.weight = Math.max(this.#frame.weight, weight);
  }

  #repeat(operator: string, times: number): void {
    if (this.#afterRepeat) fail(`${operator} follows another repetition`);
    if (this.#last === undefined) fail(`there is nothing for ${operator} to repeat`);
    const weight = (this.#last ?? 1) * times;
    if (weight > MAX_REPEAT) fail(`more than ${MAX_REPEAT} repetitions`);
    this.#frame.weight = Math.max(this.#frame.weight, weight);
    if (this.#text[this.#at] === "?") this.#at++;
    this.#last = undefined;
    this.#afterRepeat = true;
  }

  /** `{2}`, `{2,}`, `{2,3}`; anything else after a brace is text. */
  #counted(): boolean {
    const found = this.#match(/\{(\d+)(?:(,)(\d*))?\}/y);
    if (found === undefined) return false;
    const [all, low = "", comma, high = ""] = found;
    const most = high === "" ? Number(low) : Number(high);
    if (comma !== undefined && high !== "" && most < Number(low)) fail(`${all} is no range`);
    if (most > MAX_REPEAT) fail(`more than ${MAX_REPEAT} repetitions`);
    this.#repeat(all, Math.max(1, most));
    return true;
  }

  #open(): void {
    const flags = this.#match(/\(\?[imsU]*(?:-[imsU]+)?\)/y);
    if (flags !== undefined) {
      this.#last = undefined;
      this.#afterRepeat = false;
      return;
    }
    const named = this.#match(/\(\?P?<\w+>/y);
    const group = named ?? this.#match(/\(\?[imsU]*(?:-[imsU]+)?:/y) ?? this.#match(/\((?!\?)/y);
    if (group === undefined) fail(`${this.#text.slice(this.#at, this.#at + 4)} is not known`);
    this.#outer.push(this.#frame);
    this.#frame = { weight: 1 };
    this.#last = undefined;
    this.#afterRepeat = false;
  }

  #close(): void {
    const outer = this.#outer.pop();
    if (outer === undefined) fail("there is a ) too much");
    const { weight } = this.#frame;
    this.#frame = outer ?? this.#frame;
    this.#atom(1, weight);
  }

  #escape(): void {
    const quoted = this.#match(/\\Q([\s\S]*?)(?:\\E|$)/y);
    if (quoted !== undefined) {
      if (quoted[1] !== "") this.#atom(0);
      return;
    }
    if (this.#match(/\\[bBAzC]/y) === undefined) this.#character();
    this.#atom(0);
  }

  /** What stands for characters inside of brackets, too; its code where it is a single one. */
  #character(): number | undefined {
    if (this.#match(/\\[dDwWsS]/y) !== undefined) return undefined;
    const property = this.#match(/\\[pP](?:\{\^?(\w+)\}|([A-Z]))/y);
    if (property !== undefined) {
      const name = property[1] ?? property[2] ?? "";
      if (!isProperty(name)) fail(`there are no characters \\p{${name}}`);
      return undefined;
    }
    const hex = this.#match(/\\x(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]{1,6})\})/y);
    if (hex !== undefined) {
      return byte(Number.parseInt(hex[1] ?? hex[2] ?? "", 16), hex[0]);
    }
    const octal = this.#match(/\\(0[0-7]{0,2}|[1-7][0-7]{1,2})/y);
    if (octal !== undefined) return byte(Number.parseInt(octal[1] ?? "", 8), octal[0]);
    const letter = this.#match(/\\[nrtfva]/y);
    if (letter !== undefined) return undefined;
    const sign = this.#match(/\\([!-/:-@[-`{-~ ])/y);
    if (sign !== undefined) return sign[1]?.codePointAt(0);
    return fail(`${this.#text.slice(this.#at, this.#at + 2)} is not known`);
  }

  #class(): void {
    if (this.#text[this.#at] === "^") this.#at++;
    for (let first = true; first || this.#text[this.#at] !== "]"; first = false) {
      if (this.#at >= this.#text.length) fail("a ] is missing");
      const named = this.#match(/\[:\^?(\w*):\]/y);
      if (named !== undefined) {
        if (!NAMED_CLASSES.has(named[1] ?? "")) fail(`${named[0]} is not known`);
        continue;
      }
      this.#range();
    }
    this.#atom(1);
  }

  #range(): void {
    const low = this.#member();
    const isRange = this.#match(/-(?=[^\]])/y) !== undefined;
    if (!isRange) return;
    const high = this.#member();
    if (low !== undefined && high !== undefined && low > high)
      fail("a range is the wrong way round");
  }

  #member(): number | undefined {
    if (this.#text[this.#at] === "\\") return this.#character();
    const code = this.#text.codePointAt(this.#at);
    if (code === undefined) return fail("a ] is missing");
    this.#at += code > 0xffff ? 2 : 1;
    return code;
  }

  /** Takes what `pattern` (sticky) finds here. */
  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text) ?? undefined;
    if (found !== undefined) this.#at += found[0].length;
    return found;
  }
}

function byte(code: number, text: string): number | undefined {
  return code > MAX_CODE ? fail(`${text} is no byte`) : code;
}

function fail(message: string): undefined {
  throw new Problem(message);
}

/** General categories and scripts. */
function isProperty(name: string): boolean {
  if (name === "Any") return true;
  return [`gc=${name}`, `sc=${name}`].some(property => {
    try {
      new RegExp(`\\p{${property}}`, "u");
      return true;
    } catch {
      return false;
    }
  });
}
