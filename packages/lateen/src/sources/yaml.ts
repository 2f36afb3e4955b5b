/** One YAML value out of text that comes from outside. */
import type { Json } from "../api/kind.ts";
import { findExcess } from "./json.ts";
import { readYaml } from "./yaml-documents.ts";
import { MAX_YAML_DEPTH } from "./yaml-limits.ts";

const MAX_BYTES = 1 << 20;

/** undefined: the text is no YAML, holds several documents, or goes beyond what may be processed. */
export function readYamlValue(text: string): Json | undefined {
  if (text.length > MAX_BYTES) return undefined;
  const { documents, problems } = readYaml(text, { merge: true });
  if (problems.length > 0 || documents.length > 1) return undefined;
  const value = documents[0]?.value ?? null;
  return findExcess(value, MAX_YAML_DEPTH) === undefined ? value : undefined;
}
