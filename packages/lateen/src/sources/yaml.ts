import type { Json } from "../api/kind.ts";
import { readYaml } from "./yaml-documents.ts";

const MAX_CHARS = 1 << 20;
/** Annotations and ConfigMaps, which others than the reader write. */
const MAX_VALUES = 20_000;

/** One YAML value; undefined: the text is no YAML, is too long, or holds several documents. */
export function readYamlValue(text: string): Json | undefined {
  const read = yamlValueOf(text);
  return "problem" in read ? undefined : read.value;
}

/** As `readYamlValue`, with the reason. */
export function yamlValueOf(text: string): { readonly value: Json } | { readonly problem: string } {
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
