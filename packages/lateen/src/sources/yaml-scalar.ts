/**
 * What a plain scalar means, as kubectl and Kubernetes read it (sigs.k8s.io/yaml over go-yaml v2):
 * YAML 1.1's truth values and octal numbers, no base 60, and times stay text.
 */

export type ScalarValue = string | number | boolean | null;

const WORDS: ReadonlyMap<string, boolean | null> = new Map([
  ...forms(true, ["y", "yes", "true", "on"]),
  ...forms(false, ["n", "no", "false", "off"]),
  ...forms(null, ["null"]),
  ["", null],
  ["~", null],
]);

/** `yes`, `Yes` and `YES`, but not `yEs`. */
function forms<T>(value: T, words: readonly string[]): [string, T][] {
  return words.flatMap(word => {
    const capital = word.slice(0, 1).toUpperCase() + word.slice(1);
    return [word, capital, word.toUpperCase()].map((form): [string, T] => [form, value]);
  });
}

const NO_JSON_NUMBER = /^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;
const INTEGER = /^([-+]?)(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|[1-9]\d*|0)$/;
const FLOAT = /^[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?$/;
const MAX_UINT64 = 2n ** 64n - 1n;
const MAX_INT64 = 2n ** 63n;

/** The value of an unquoted scalar; undefined: a number that JSON has no word for. */
export function plainScalar(text: string): ScalarValue | undefined {
  const word = WORDS.get(text);
  if (word !== undefined) return word;
  if (NO_JSON_NUMBER.test(text)) return undefined;
  const first = text[0] ?? "";
  if (first === ".") return floatOf(text) ?? text;
  if (!/[-+\d]/.test(first)) return text;
  const digits = text.replaceAll("_", "");
  return integerOf(digits) ?? floatOf(digits) ?? text;
}

function integerOf(text: string): number | undefined {
  const match = INTEGER.exec(text);
  if (match === null) return undefined;
  const [, sign = "", digits = ""] = match;
  const octal = /^0[0-7]/.test(digits) ? `0o${digits.slice(1)}` : digits;
  const size = BigInt(octal);
  const fits =
    sign === "" ? size <= MAX_UINT64 : sign === "-" ? size <= MAX_INT64 : size < MAX_INT64;
  if (!fits) return undefined;
  return sign === "-" && size > 0n ? -Number(size) : Number(size);
}

/** As in Go, what is too large is no number, and so stays text. */
function floatOf(text: string): number | undefined {
  const value = FLOAT.test(text) ? Number(text) : Number.NaN;
  return Number.isFinite(value) ? value : undefined;
}

const PREFIX = "tag:yaml.org,2002:";

/** What a tag makes of a scalar, or what is wrong with it; `plain`: it is not quoted. */
export function scalarOf(
  text: string,
  tag: string | undefined,
  plain: boolean,
): { readonly value: ScalarValue } | { readonly problem: string } {
  const known = tag?.startsWith(PREFIX) === true ? tag.slice(PREFIX.length) : tag;
  if (known === undefined) return plain ? asPlain(text) : { value: text };
  if (known === "binary") return binary(text);
  const found = plainScalar(text);
  switch (known) {
    case "bool":
      return typeof found === "boolean" ? { value: found } : mistagged(text, known);
    case "null":
      return found === null ? { value: found } : mistagged(text, known);
    case "int":
      return Number.isInteger(found) && !/[.eE]/.test(text)
        ? { value: Number(found) }
        : mistagged(text, known);
    case "float":
      return typeof found === "number" ? { value: found } : mistagged(text, known);
    default:
      return { value: text };
  }
}

function asPlain(text: string): { value: ScalarValue } | { problem: string } {
  const value = plainScalar(text);
  if (value === undefined) return { problem: `${text} is no number that JSON has` };
  return { value };
}

function mistagged(text: string, tag: string): { problem: string } {
  return { problem: `${JSON.stringify(text)} is no !!${tag}` };
}

function binary(text: string): { value: string } | { problem: string } {
  const packed = text.replace(/\s/g, "");
  const bytes = Buffer.from(packed, "base64");
  if (bytes.toString("base64") !== packed) return { problem: "!!binary is no base64" };
  return { value: bytes.toString("utf8") };
}

/** A key as JSON has it; undefined: it can be none. */
export function keyText(value: ScalarValue): string | undefined {
  if (value === null) return undefined;
  // Go writes an exponent with two digits at least.
  return String(value).replace(/e([-+])(\d)$/, "e$10$2");
}
