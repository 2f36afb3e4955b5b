/** Objects made of a kind's schema, most of them valid, many at the edges of its rules. */
import type { Json, JsonObject, Kind } from "../../src/api/kind.ts";
import type { SchemaNode } from "../../src/api/schema.ts";
import { objectAt } from "../../src/sources/json.ts";

const long = (count: number): string => "a".repeat(count);
const WORDS = [
  ...["", "a", "reviews", "http", "mesh", "v1", "8080", "1", "80", "-1", "A", "a b", "[", "a=b"],
  ...[
    "*",
    "*x",
    "*.example.com",
    "*-a.example.com",
    "example.com",
    "a.b.",
    "ns/*",
    "./*",
    "~",
    ".",
  ],
  ...[`*-${long(61)}.com`, `*-${long(62)}.com`, `*-${long(63)}`, long(63), long(64), long(254)],
  ...[`./*-${long(62)}.com`, "1.2.3.4", "10.0.0.0/8", "::1", "unix:///a/b"],
  ...["/x", "../x", "/a:b", "x.y/z", "5s", "1.5s", "0s", "100ms", "YQ==", "250m", "1Gi"],
  ...["HTTP", "HTTPS", "TLS", "TCP", "GRPC", "UDP", "GET", "5xx", "yes", "on", "null"],
  ...["https://x.y/z", "oci://a/b", "file:///a", "spiffe://a/b", "source.ip", "x-header"],
  "request.auth.claims[a]",
];
const ODD: readonly Json[] = [true, 0, 1.5, -1, 70_000, "yes", null, [], {}];
const KEYS = ["a", "app", "80", "443", "x.y/z", "tls.crt", "HOST"];
const MAX_DEPTH = 10;

/** The same for the same seed. `oddOnes`: of so many values one is something else; 0: none. */
export function objectOfKind(kind: Kind, seed: number, oddOnes: number): JsonObject {
  return new Maker(seed, oddOnes).object(kind);
}

/** A Deployment whose template has what its selector asks for, which does not come by chance. */
function matched(fields: JsonObject): JsonObject {
  const spec = objectAt(fields, "spec");
  const template = objectAt(spec, "template");
  const podSpec = { ...objectAt(template, "spec"), restartPolicy: "Always" };
  const labelled = { ...template, metadata: { labels: { a: "b" } }, spec: podSpec };
  return {
    ...fields,
    spec: { ...spec, selector: { matchLabels: { a: "b" } }, template: labelled },
  };
}

class Maker {
  #state: number;
  readonly #oddOnes: number;

  constructor(seed: number, oddOnes: number) {
    this.#state = seed | 0;
    this.#oddOnes = oddOnes;
  }

  object(kind: Kind): JsonObject {
    const version = this.#pick(kind.versions);
    const apiVersion = kind.group === "" ? version : `${kind.group}/${version}`;
    const metadata = { name: "x", ...(kind.namespaced ? { namespace: "ns" } : {}) };
    const { status: _status, ...fields } = this.#fields(kind.schema, 0);
    return {
      apiVersion,
      kind: kind.kind,
      metadata,
      ...(kind.kind === "Deployment" ? matched(fields) : fields),
    };
  }

  #value(node: SchemaNode, depth: number): Json {
    if (this.#oddOnes > 0 && this.#oneOf(this.#oddOnes)) return this.#pick(ODD);
    const inner = (): Json =>
      node.items === undefined ? null : this.#value(node.items, depth + 1);
    switch (node.type) {
      case "string":
        return this.#word(node);
      case "integer":
      case "number":
        return this.#pick([1, 80, 443, 100, node.min ?? 0, node.max ?? 65_535]);
      case "boolean":
        return this.#pick([true, false]);
      case "duration":
        return this.#pick(["1s", "100ms", "1m"]);
      case "intOrString":
        return this.#pick<Json>([80, "http"]);
      case "list":
        return Array.from({ length: this.#length(node, depth) }, inner);
      case "map":
        return Object.fromEntries(this.#keys(node).map(key => [key, inner()]));
      case "object":
        return this.#fields(node, depth);
      case "any":
        return this.#pick<Json>([{}, 1, "x"]);
    }
  }

  #word(node: SchemaNode): string {
    const { check, pattern, maxLength = 1024 } = node;
    if (node.enum !== undefined) return this.#pick(node.enum);
    const fit = WORDS.filter(
      word =>
        word.length <= maxLength &&
        check?.(word) === undefined &&
        (pattern === undefined || new RegExp(pattern).test(word)),
    );
    return this.#pick(fit.length === 0 || this.#oneOf(50) ? WORDS : fit);
  }

  #length({ minItems = 0 }: SchemaNode, depth: number): number {
    return Math.max(minItems, depth > MAX_DEPTH ? 0 : this.#pick([0, 1, 1, 2]));
  }

  #keys({ keyCheck }: SchemaNode): string[] {
    return KEYS.filter(key => this.#oneOf(4) && keyCheck?.(key) === undefined);
  }

  #fields(node: SchemaNode, depth: number): JsonObject {
    const out: Record<string, Json> = {};
    // Of a oneof only one field, nearly always.
    const left = new Set(
      this.#oneOf(20)
        ? []
        : (node.exclusive ?? []).flatMap(group => {
            const chosen = this.#pick(group);
            return group.filter(key => key !== chosen);
          }),
    );
    const chance = depth < 1 ? 1 : this.#pick([1, 2, 3, 6]);
    for (const [key, property] of node.properties ?? []) {
      const wanted = property.presence === "required" || (!left.has(key) && this.#oneOf(chance));
      if (wanted) out[key] = this.#value(property, depth + 1);
    }
    if (node.open === true && this.#oneOf(4)) out["runAsNonRoot"] = this.#pick(ODD);
    return out;
  }

  #oneOf(count: number): boolean {
    return this.#next() % count === 0;
  }

  #pick<T>(values: readonly T[]): T {
    const value = values[this.#next() % values.length];
    if (value === undefined) throw new Error("there is nothing to pick of");
    return value;
  }

  /** mulberry32. */
  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  }
}
