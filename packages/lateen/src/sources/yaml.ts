import type { Json } from "../api/kind.ts";
import { readYaml } from "./yaml-documents.ts";

const MAX_CHARS = 1 << 20;

/** One YAML value; undefined: the text is no YAML, is too long, or holds several documents. */
export function readYamlValue(text: string): Json | undefined {
  if (text.length > MAX_CHARS) return undefined;
  const { documents, problems } = readYaml(text, { merge: true });
  const [only] = documents;
  if (problems.length > 0 || documents.length > 1) return undefined;
  return only === undefined ? null : only.value;
}
