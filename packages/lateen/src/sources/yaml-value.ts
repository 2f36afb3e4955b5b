/** The JSON that a parsed YAML document stands for, as Kubernetes reads it (yaml-scalar.ts). */
import { type Alias, isAlias, isMap, isScalar, isSeq, Scalar, type YAMLMap } from "yaml";
import type { Json, JsonObject } from "../api/kind.ts";
import { isObject } from "./json.ts";
import { keyText, type ScalarValue, scalarOf } from "./yaml-scalar.ts";

/** Thrown where a document has no JSON; caught by readYaml. */
export class YamlProblemError extends Error {
  /** Characters from the beginning of the text. */
  readonly offset: number;

  constructor(offset: number, message: string) {
    super(message);
    this.offset = offset;
  }
}

export interface DoubledKey {
  readonly key: string;
  readonly offset: number;
}

export interface YamlValue {
  readonly value: Json;
  /** Where a key stands that was there before, at most `MAX_TOLD`. */
  readonly twice: readonly DoubledKey[];
}

const MAX_TOLD = 20;
/** More would be a bomb: YAML's aliases multiply. */
const MAX_ALIASED = 100_000;

/** `values`: how many there may be, those behind aliases counted each time. Throws YamlProblemError. */
export function yamlValue(contents: unknown, values: number): YamlValue {
  const reader = new Reader(Math.min(values, MAX_ALIASED));
  return { value: reader.read(contents), twice: reader.twice };
}

class Reader {
  readonly twice: DoubledKey[] = [];
  readonly #anchors = new Map<string, unknown>();
  readonly #open = new Set<unknown>();
  #aliased: number;
  /** Aliases that are being followed. */
  #behind = 0;

  constructor(aliased: number) {
    this.#aliased = aliased;
  }

  read(node: unknown): Json {
    if (this.#behind > 0 && --this.#aliased < 0)
      throw new YamlProblemError(
        offsetOf(node),
        "the document's aliases stand for too many values",
      );
    if (isAlias(node)) return this.#alias(node);
    if (isScalar(node)) return this.#named(node, () => scalar(node));
    if (isSeq(node)) return this.#named(node, () => node.items.map(item => this.read(item)));
    if (isMap(node)) return this.#named(node, () => this.#map(node));
    return null;
  }

  #named(node: { anchor?: string | undefined }, read: () => Json): Json {
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, node);
    this.#open.add(node);
    const value = read();
    this.#open.delete(node);
    return value;
  }

  #alias(alias: Alias): Json {
    const target = this.#targetOf(alias);
    this.#behind++;
    const value = this.read(target);
    this.#behind--;
    return value;
  }

  #targetOf(alias: Alias): unknown {
    const target = this.#anchors.get(alias.source);
    if (target === undefined)
      throw new YamlProblemError(
        offsetOf(alias),
        `there is no anchor &${alias.source} before this`,
      );
    if (this.#open.has(target))
      throw new YamlProblemError(offsetOf(alias), `anchor &${alias.source} contains itself`);
    return target;
  }

  #map(map: YAMLMap): JsonObject {
    const object: Record<string, Json> = {};
    const written = new Set<string>();
    for (const { key, value } of map.items) {
      if (isMerge(key)) {
        this.#merge(object, value);
        continue;
      }
      const name = this.#key(key);
      if (written.has(name) && this.twice.length < MAX_TOLD)
        this.twice.push({ key: name, offset: offsetOf(key) });
      written.add(name);
      put(object, name, this.read(value));
    }
    return object;
  }

  #key(key: unknown): string {
    const value = this.read(key);
    const name = typeof value === "object" && value !== null ? undefined : keyText(value);
    if (name !== undefined) return name;
    throw new YamlProblemError(
      offsetOf(key),
      "a key must be text: found a list, an object or null",
    );
  }

  /** Of several the first one counts; all win over what stands before `<<`, as in go-yaml. */
  #merge(object: Record<string, Json>, node: unknown): void {
    const value = this.read(node);
    const parts = Array.isArray(value) ? value.toReversed() : [value];
    for (const part of parts) {
      if (!isObject(part))
        throw new YamlProblemError(offsetOf(node), "<< takes an object, or a list of objects");
      for (const [key, inner] of Object.entries(part)) put(object, key, inner);
    }
  }
}

/** Also `__proto__` becomes a plain key, which those who check for it then see. */
function put(object: Record<string, Json>, key: string, value: Json): void {
  if (key !== "__proto__") object[key] = value;
  else
    Object.defineProperty(object, key, {
      value,
      enumerable: true,
      configurable: true,
      writable: true,
    });
}

function isMerge(key: unknown): boolean {
  return isScalar(key) && key.value === "<<" && key.type === Scalar.PLAIN && key.tag === undefined;
}

function scalar(node: Scalar): ScalarValue {
  const { value, type, tag } = node;
  const text = value === null ? "" : String(value);
  const isPlain = type === undefined || type === Scalar.PLAIN;
  const found = scalarOf(text, tag, isPlain);
  if ("problem" in found) throw new YamlProblemError(offsetOf(node), found.problem);
  return found.value;
}

function offsetOf(node: unknown): number {
  const range =
    typeof node === "object" && node !== null && "range" in node ? node.range : undefined;
  return Array.isArray(range) && typeof range[0] === "number" ? range[0] : 0;
}
