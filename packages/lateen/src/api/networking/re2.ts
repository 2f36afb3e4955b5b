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

/** Envoy's bound on compiled programs, as our bootstrap has it (re2.max_program_size.error_level). */
const MAX_PROGRAM = 32_768;
/** What every program has: its ends, and the search for its start. */
const EMPTY_PROGRAM = 8;

export const re2: StringCheck = text => {
  const found = new Parser(text).parse();
  if (found.problem !== undefined) return `a regular expression in RE2 syntax: ${found.problem}`;
  if (found.size <= MAX_PROGRAM) return undefined;
  return `a smaller regular expression: this one may compile to ${found.size} instructions, Envoy takes ${MAX_PROGRAM}`;
};

/** At most so many instructions does RE2 make of it; undefined: it has a problem. */
export function programSizeBound(text: string): number | undefined {
  const found = new Parser(text).parse();
  return found.problem === undefined ? found.size : undefined;
}

interface Parsed {
  readonly problem: string | undefined;
  readonly size: number;
}

/** One bracket that is open, or the whole. */
interface Frame {
  /** How often its largest part is repeated. */
  weight: number;
  /** At most so many instructions. */
  size: number;
}

/** Something that may be repeated. */
interface Atom {
  readonly weight: number;
  readonly size: number;
}

const NAMED_CLASSES: ReadonlySet<string> = new Set(
  "alnum alpha ascii blank cntrl digit graph lower print punct space upper word xdigit".split(" "),
);

class Problem extends Error {}

class Parser {
  readonly #text: string;
  #at = 0;
  readonly #outer: Frame[] = [];
  #frame: Frame = { weight: 1, size: 0 };
  /** What a repetition would repeat; undefined: there is nothing. */
  #last: Atom | undefined;
  #afterRepeat = false;
  /** At most so many ranges of bytes are in the class, or the escape, so far. */
  #ranges = 0;
  readonly #folds: boolean;

  constructor(text: string) {
    this.#text = text;
    this.#folds = /\(\?[a-zA-Z]*i/.test(text);
  }

  parse(): Parsed {
    try {
      while (this.#at < this.#text.length) this.#step();
      if (this.#outer.length > 0) fail("a ) is missing");
      return { problem: undefined, size: this.#frame.size + EMPTY_PROGRAM };
    } catch (error) {
      if (error instanceof Problem) return { problem: error.message, size: 0 };
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
        this.#frame.size++;
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
        this.#atom(1, 1, next === "." ? DOT_SIZE : utf8Length(next));
    }
  }

  /** Something that can be repeated, of `length` characters. */
  #atom(length: number, weight = 1, size = 1): void {
    this.#at += length;
    this.#last = { weight, size };
    this.#afterRepeat = false;
    this.#frame.weight = Math.max(this.#frame.weight, weight);
    this.#frame.size += size;
  }

  #repeat(operator: string, times: number): void {
    if (this.#afterRepeat) fail(`${operator} follows another repetition`);
    if (this.#last === undefined) fail(`there is nothing for ${operator} to repeat`);
    const { weight: one, size } = this.#last ?? { weight: 1, size: 1 };
    const weight = one * times;
    if (weight > MAX_REPEAT) fail(`more than ${MAX_REPEAT} repetitions`);
    // Each copy, and the choice whether there is one more.
    this.#frame.size += (size + 1) * times - size;
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
    this.#frame = { weight: 1, size: 0 };
    this.#last = undefined;
    this.#afterRepeat = false;
  }

  #close(): void {
    const outer = this.#outer.pop();
    if (outer === undefined) fail("there is a ) too much");
    const { weight, size } = this.#frame;
    this.#frame = outer ?? this.#frame;
    this.#atom(1, weight, size + GROUP_SIZE);
  }

  #escape(): void {
    const quoted = this.#match(/\\Q([\s\S]*?)(?:\\E|$)/y);
    if (quoted !== undefined) {
      const text = quoted[1] ?? "";
      if (text === "") return;
      this.#frame.size += utf8Length(text) - 1;
      this.#atom(0);
      return;
    }
    this.#ranges = 0;
    if (this.#match(/\\[bBAzC]/y) === undefined) this.#character();
    this.#atom(0, 1, this.#classSize());
  }

  /** What stands for characters inside of brackets, too; its code where it is a single one. */
  #character(): number | undefined {
    const perl = this.#match(/\\([dDwWsS])/y);
    if (perl !== undefined) {
      this.#ranges += PERL_RANGES[perl[1] ?? ""] ?? 0;
      return undefined;
    }
    const property = this.#match(/\\[pP](?:\{\^?(\w+)\}|([A-Z]))/y);
    if (property !== undefined) {
      const name = property[1] ?? property[2] ?? "";
      if (!isKnown(name)) fail(`there are no characters \\p{${name}}`);
      this.#ranges += rangesOfProperty(name);
      return undefined;
    }
    this.#ranges++;
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
    this.#ranges = 1;
    if (this.#text[this.#at] === "^") this.#at++;
    for (let first = true; first || this.#text[this.#at] !== "]"; first = false) {
      if (this.#at >= this.#text.length) fail("a ] is missing");
      const named = this.#match(/\[:\^?(\w*):\]/y);
      if (named !== undefined) {
        if (!NAMED_CLASSES.has(named[1] ?? "")) fail(`${named[0]} is not known`);
        this.#ranges += NAMED_RANGES;
        continue;
      }
      this.#range();
    }
    this.#atom(1, 1, this.#classSize());
  }

  #range(): void {
    const low = this.#member();
    const isRange = this.#match(/-(?=[^\]])/y) !== undefined;
    if (!isRange) return;
    const high = this.#member();
    this.#ranges--;
    if (low !== undefined && high !== undefined && low > high)
      fail("a range is the wrong way round");
  }

  /** Each range is an instruction; where case does not count, there may be two for one. */
  #classSize(): number {
    return Math.max(1, Math.min(MAX_RANGES, this.#ranges * (this.#folds ? 2 : 1)));
  }

  #member(): number | undefined {
    if (this.#text[this.#at] === "\\") return this.#character();
    const code = this.#text.codePointAt(this.#at);
    if (code === undefined) return fail("a ] is missing");
    this.#at += code > 0xffff ? 2 : 1;
    this.#ranges += utf8Length(String.fromCodePoint(code));
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

/** Any byte but the newline. */
const DOT_SIZE = 2;
/** A group remembers where it began and ended. */
const GROUP_SIZE = 2;
/** There are 256 bytes, so no class has more ranges, however it is made. */
const MAX_RANGES = 128;

function utf8Length(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** Ranges of bytes in `\\d`, `\\s` and `\\w`, and one more in what they leave. */
const PERL_RANGES: Readonly<Record<string, number>> = { d: 1, s: 3, w: 4, D: 2, S: 4, W: 5 };
/** `[:punct:]` and `[:word:]` have most, and may be negated. */
const NAMED_RANGES = 5;

const propertyRanges = new Map<string, number>();

/** In how many ranges the characters up to 255 lie that have a property, or have it not. */
function rangesOfProperty(name: string): number {
  const known = propertyRanges.get(name);
  if (known !== undefined) return known;
  const property = ["gc", "sc"].find(each => isProperty(name, each));
  const pattern = property === undefined ? undefined : new RegExp(`\\p{${property}=${name}}`, "u");
  let ranges = 1;
  let before = false;
  for (let code = 0; code <= MAX_CODE; code++) {
    const has = pattern?.test(String.fromCodePoint(code)) ?? false;
    if (has && !before) ranges++;
    before = has;
  }
  propertyRanges.set(name, ranges);
  return ranges;
}

function byte(code: number, text: string): number | undefined {
  return code > MAX_CODE ? fail(`${text} is no byte`) : code;
}

function fail(message: string): undefined {
  throw new Problem(message);
}

/** General categories and scripts. */
function isKnown(name: string): boolean {
  return name === "Any" || isProperty(name, "gc") || isProperty(name, "sc");
}

function isProperty(name: string, property: string): boolean {
  try {
    new RegExp(`\\p{${property}=${name}}`, "u");
    return true;
  } catch {
    return false;
  }
}
