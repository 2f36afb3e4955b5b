import { parse } from "yaml";
import type { Json } from "../api/kind.ts";
import type { DecodeYaml, YamlRead } from "../api/yaml-text.ts";
import type { Diagnostic, Result } from "../base/diagnostic.ts";
import { readYaml } from "./yaml-documents.ts";
import { lexYaml } from "./yaml-limits.ts";

const MAX_CHARS = 1 << 20;
/** Annotations and ConfigMaps, which others than the reader write. */
const MAX_VALUES = 20_000;

/** One YAML value; undefined: the text is no YAML, is too long, or holds several documents. */
export function readYamlValue(text: string): Json | undefined {
  const read = yamlValueOf(text);
  return "problem" in read ? undefined : read.value;
}

/** As `readYamlValue`, with the reason. */
export function yamlValueOf(text: string): YamlRead {
  if (text.length > MAX_CHARS) return { problem: `it is longer than ${MAX_CHARS} characters` };
  const { documents, problems } = readYaml(text, { values: MAX_VALUES });
  const [problem] = problems;
  if (problem !== undefined) {
    const column = problem.column === undefined ? "" : `, column ${problem.column}`;
    return { problem: `line ${problem.line}${column}: ${problem.message}` };
  }
  if (documents.length > 1) return { problem: `it has ${documents.length} documents` };
  return { value: documents[0]?.value ?? null };
}

/** As earlier versions read it, by YAML 1.2: `on`, `yes` and `010` are text. undefined: they read nothing. */
export function readEarlierYamlValue(text: string): Json | undefined {
  if (text.length > MAX_CHARS || "message" in lexYaml(text, MAX_VALUES)) return undefined;
  try {
    const value: Json = parse(text, { merge: true, uniqueKeys: false, logLevel: "silent" });
    return value;
  } catch {
    return undefined;
  }
}

/**
 * A text that can not be decoded as Kubernetes reads it, and could be as earlier versions did, is
 * stored: it means what it meant, and is warned of.
 */
export const decodeYaml: DecodeYaml = (text, decode) =>
  orAsBefore(decode(yamlValueOf(text)), () => {
    const value = readEarlierYamlValue(text);
    return decode(value === undefined ? { problem: "it is no YAML" } : { value });
  });

/** What a text gives now, or where that fails what it gave before, with what is wrong with it now. */
export function orAsBefore<T>(now: Result<T>, earlier: () => Result<T>): Result<T> {
  if (now.ok) return now;
  const before = earlier();
  if (!before.ok) return now;
  const younger = now.diagnostics
    .filter(({ severity }) => severity === "error")
    .map((each): Diagnostic => ({ ...each, severity: "warning", newOnly: true }));
  return { ...before, diagnostics: [...younger, ...before.diagnostics] };
}
