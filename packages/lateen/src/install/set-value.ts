/**
 * `--set PATH=VALUE` as istioctl reads it: the first `=` divides, commas do not, and `\\,` is a comma
 * (https://istio.io/latest/docs/reference/commands/istioctl/#istioctl-install). The field decides what
 * the value is: `revision=18` is text, `values.pilot.replicaCount=18` a number.
 */
import type { Json } from "../api/kind.ts";
import { meshConfigSchema } from "../api/mesh-config/schema.ts";
import type { SchemaNode } from "../api/schema.ts";
import { KNOWN_SPEC, type Known } from "./known-paths.ts";
import { type PathPart, parsePath } from "./path.ts";

export interface Setting {
  readonly text: string;
  readonly path: readonly PathPart[];
  /** null takes away what stands there. */
  readonly value: Json;
}

/** undefined: it is not PATH=VALUE. */
export function parseSetting(text: string): Setting | undefined {
  const equals = text.indexOf("=");
  if (equals <= 0) return undefined;
  const path = parsePath(text.slice(0, equals).trim());
  if (path === undefined) return undefined;
  const said = text
    .slice(equals + 1)
    .trim()
    .replaceAll("\\,", ",");
  return { text, path, value: isText(path) ? textValue(said) : parsedValue(said) };
}

/** The setting behind a comma, as Helm would divide them; undefined: there is none. */
export function dividedByComma({ text }: Setting): string | undefined {
  const parts = text.slice(text.indexOf("=") + 1).split(/(?<!\\),/);
  return parts.slice(1).find(part => {
    const [first] = parseSetting(part)?.path ?? [];
    return (
      first?.type === "key" &&
      typeof KNOWN_SPEC === "object" &&
      Object.hasOwn(KNOWN_SPEC, first.key)
    );
  });
}

function textValue(said: string): Json {
  return said === "null" ? null : said;
}

/** Truth values, numbers, null and quoted text as YAML has them, `{a,b}` a list. */
function parsedValue(said: string): Json {
  if (/^(?:true|True|TRUE)$/.test(said)) return true;
  if (/^(?:false|False|FALSE)$/.test(said)) return false;
  if (said === "null") return null;
  if (/^-?(?:0|[1-9]\d{0,14})(?:\.\d+)?$/.test(said)) return Number(said);
  const quoted = /^"([^"]*)"$/.exec(said);
  if (quoted !== null) return quoted[1] ?? "";
  const list = /^\{(.*)\}$/.exec(said);
  if (list === null) return said;
  return list[1] === "" ? [] : (list[1] ?? "").split(",").map(item => parsedValue(item.trim()));
}

const KEY = (part: PathPart | undefined): string => (part?.type === "key" ? part.key : "");

/** Whether the field takes text, also where the text looks like something else. */
function isText(path: readonly PathPart[]): boolean {
  const keys = path.map(KEY);
  const mesh =
    keys[0] === "meshConfig" ? 1 : keys[0] === "values" && keys[1] === "meshConfig" ? 2 : 0;
  if (mesh > 0) return isTextOf(meshConfigSchema, path.slice(mesh));
  // Variables of containers are texts, whether something reads them or not.
  if (/^values\.(?:pilot|gateways\.[^.]+)\.env\./.test(keys.join("."))) return true;
  if (isVariable(path)) return true;
  return isTextKnown(KNOWN_SPEC, path);
}

/** `env` and `tolerations` below `k8s` are Kubernetes' lists, whose values are texts. */
function isVariable(path: readonly PathPart[]): boolean {
  const [list, item, field] = path.slice(-3);
  const isItem = item !== undefined && item.type !== "key";
  return isItem && /^(?:env|tolerations)$/.test(KEY(list)) && KEY(field) === "value";
}

function isTextKnown(schema: Known, path: readonly PathPart[]): boolean {
  let at: Known | undefined = schema;
  for (const [i, part] of path.entries()) {
    if (part.type !== "key") continue;
    if (at === "texts" || at === "words") return i === path.length - 1;
    if (at === undefined || typeof at === "string") return false;
    at = Object.hasOwn(at, part.key) ? at[part.key] : at["*"];
  }
  return at === "text" || at === "word";
}

function isTextOf(schema: SchemaNode, path: readonly PathPart[]): boolean {
  let at: SchemaNode | undefined = schema;
  for (const part of path)
    at = part.type === "key" ? (at?.properties?.get(part.key) ?? at?.items) : at?.items;
  return at?.type === "string" || at?.type === "duration";
}
