/** One YAML value out of text that comes from outside. */
import { parseDocument } from "yaml";
import type { Json } from "../api/kind.ts";
import { findExcess } from "./json.ts";

const MAX_DEPTH = 100;
const MAX_BYTES = 1 << 20;
/** More would be a bomb: YAML's aliases multiply. */
const MAX_ALIASES = 100;

/** undefined: the text is no YAML, holds several documents, or goes beyond what may be processed. */
export function readYamlValue(text: string): Json | undefined {
  if (text.length > MAX_BYTES) return undefined;
  try {
    const document = parseDocument(text, { merge: true });
    if (document.errors.length > 0) return undefined;
    const value = document.toJS({ maxAliasCount: MAX_ALIASES }) as Json;
    return findExcess(value, MAX_DEPTH) === undefined ? value : undefined;
  } catch {
    // Too many aliases.
    return undefined;
  }
}
