/** Tests of API kinds: objects from YAML, and diagnostics as lines of text. */
import assert from "node:assert/strict";
import { parse } from "yaml";
import type { ApiObject, JsonObject, Kind } from "../../src/api/kind.ts";
import type { Diagnostic } from "../../src/base/diagnostic.ts";

/** An object of the kind with a name and the given YAML below `spec:` (or as it is, if `whole`). */
export function objectOf(
  kind: Kind,
  yaml: string,
  options: { readonly whole?: boolean } = {},
): JsonObject {
  const body = parse(yaml) ?? {};
  const apiVersion = kind.group === "" ? "v1" : `${kind.group}/${kind.storageVersion}`;
  const metadata = { name: "test", ...(kind.namespaced ? { namespace: "default" } : {}) };
  const fields = options.whole === true ? body : { spec: body };
  return { apiVersion, kind: kind.kind, metadata, ...fields };
}

export function decoded<T extends ApiObject>(kind: Kind<T>, yaml: string, options = {}): T {
  const result = kind.decode(objectOf(kind, yaml, options));
  assert.ok(result.ok, lines(result.diagnostics).join("\n"));
  return result.value;
}

/** `error spec.hosts[0]: found ...`, one line a diagnostic. */
export function problems(kind: Kind, yaml: string, options = {}): string[] {
  return lines(kind.decode(objectOf(kind, yaml, options)).diagnostics);
}

export function lines(diagnostics: readonly Diagnostic[]): string[] {
  return diagnostics.map(({ severity, path, message }) => `${severity} ${path}: ${message}`);
}

/** A copy with plain prototypes, for comparisons with literals. */
export function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
