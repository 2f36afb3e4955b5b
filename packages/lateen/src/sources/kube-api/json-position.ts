/** Finds where a text stops being JSON: the parser of the platform does not always say it. */

type Expected = "value" | "value or ]" | "key" | "key or }" | ":" | ", or end" | "nothing";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const FIRST_PRINTABLE = 0x20;
const SPACE = /[ \t\r\n]*/y;
const PUNCTUATION = /[{}[\],:]/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const SCALAR = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.+-])|(?:true|false|null)(?!\w)/y;

/** `line 1, column 7`, or undefined where the text is JSON. */
export function jsonErrorPosition(text: string): string | undefined {
  const offset = errorOffset(text);
  if (offset === undefined) return undefined;
  const before = text.slice(0, offset).split("\n");
  return `line ${before.length}, column ${(before.at(-1) ?? "").length + 1}`;
}

function errorOffset(text: string): number | undefined {
  const open: string[] = [];
  let expected: Expected = "value";
  let offset = 0;
  for (;;) {
    offset += matchAt(SPACE, text, offset).length;
    if (offset >= text.length) return expected === "nothing" ? undefined : offset;
    const token =
      matchAt(PUNCTUATION, text, offset) || stringAt(text, offset) || matchAt(SCALAR, text, offset);
    const next = after(expected, token, open);
    if (next === undefined) return offset;
    expected = next;
    offset += token.length;
  }
}

function matchAt(expression: RegExp, text: string, offset: number): string {
  expression.lastIndex = offset;
  return expression.exec(text)?.[0] ?? "";
}

/** By hand, because strings may be as long as the text: "" where there is no complete one. */
function stringAt(text: string, start: number): string {
  if (text[start] !== '"') return "";
  for (let i = start + 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) return text.slice(start, i + 1);
    if (code < FIRST_PRINTABLE) return "";
    if (code !== BACKSLASH) continue;
    const escaped = matchAt(ESCAPE, text, i);
    if (escaped === "") return "";
    i += escaped.length - 1;
  }
  return "";
}

/** What may follow; undefined where `token` may not stand here. */
function after(expected: Expected, token: string, open: string[]): Expected | undefined {
  const takesValue = expected === "value" || expected === "value or ]";
  switch (token) {
    case "":
      return undefined;
    case "{":
    case "[":
      if (!takesValue) return undefined;
      open.push(token);
      return token === "{" ? "key or }" : "value or ]";
    case "}":
    case "]":
      return close(expected, token, open);
    case ":":
      return expected === ":" ? "value" : undefined;
    case ",":
      if (expected !== ", or end") return undefined;
      return open.at(-1) === "{" ? "key" : "value";
  }
  if (expected === "key" || expected === "key or }") return token.startsWith('"') ? ":" : undefined;
  return takesValue ? ended(open) : undefined;
}

function close(expected: Expected, token: "}" | "]", open: string[]): Expected | undefined {
  const empty = token === "}" ? "key or }" : "value or ]";
  if (expected !== ", or end" && expected !== empty) return undefined;
  if (open.pop() !== (token === "}" ? "{" : "[")) return undefined;
  return ended(open);
}

function ended(open: readonly string[]): Expected {
  return open.length === 0 ? "nothing" : ", or end";
}
