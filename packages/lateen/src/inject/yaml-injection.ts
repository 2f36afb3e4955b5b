/** `kube-inject`: workloads in YAML text get their sidecars, everything else stays as it is written. */
import { type Document, isCollection, isSeq, LineCounter } from "yaml";
import type { JsonObject } from "../api/kind.ts";
import type { Diagnostic, Result } from "../base/diagnostic.ts";
import { partsOf, type TextPart } from "../sources/files/split.ts";
import { findExcess, isObject } from "../sources/json.ts";
import { yamlNodes } from "../sources/yaml-documents.ts";
import { MAX_FILE_VALUES, MAX_YAML_DEPTH } from "../sources/yaml-limits.ts";
import { YamlProblemError, yamlValue } from "../sources/yaml-value.ts";
import type { ClusterFeatures } from "./cluster-features.ts";
import type { InjectorConfig } from "./config.ts";
import { diffJson, type PatchOperation } from "./json-patch.ts";
import { injectKubePod } from "./pod-injection.ts";
import { type PodPlace, podPlaces, pointerKeys } from "./workload-object.ts";

export interface YamlInjection {
  readonly config: InjectorConfig;
  readonly features: ClusterFeatures;
  readonly version: string;
  /** For objects that name none; "": they work in whatever namespace they are created. */
  readonly namespace: string;
}

const MAX_DOCUMENTS = 1000;

/** The text with its pods injected. Diagnostics name the object; an error anywhere gives no text. */
export function injectYaml(text: string, options: YamlInjection): Result<string> {
  const documents: WrittenDocument[] = [];
  for (const part of writtenParts(text)) {
    const read = documentsOf(part);
    if (!read.ok) return read;
    documents.push(...read.value);
  }
  if (documents.length > MAX_DOCUMENTS)
    return refused("", `found ${documents.length} documents; expected at most ${MAX_DOCUMENTS}`);
  const diagnostics: Diagnostic[] = [];
  const out: string[] = [];
  for (const [i, { document, source }] of documents.entries()) {
    const [problem] = document.errors;
    if (problem !== undefined) return refused(`document ${i + 1}`, problem.message);
    const changed = injectDocument(document, `document ${i + 1}`, options, diagnostics);
    out.push(changed ? document.toString({ lineWidth: 0, directives: false }) : source);
  }
  const failed = diagnostics.some(({ severity }) => severity === "error");
  if (failed) return { ok: false, diagnostics };
  const value = out.map(each => (each.endsWith("\n") ? each : `${each}\n`)).join("---\n");
  return { ok: true, value, diagnostics };
}

interface WrittenDocument {
  readonly document: Document;
  /** As it is written. */
  readonly source: string;
}

/** YAML stays in one piece, as comments before a document belong to none; JSON objects in a row do not. */
function writtenParts(text: string): TextPart[] {
  const parts = partsOf(text);
  return parts.some(({ json }) => json) ? parts : [{ text, before: 0, json: false }];
}

function documentsOf({ text, before }: TextPart): Result<WrittenDocument[]> {
  const lines = new LineCounter();
  const parsed = yamlNodes(text, { values: MAX_FILE_VALUES, lines, schema: "core" });
  if ("message" in parsed) return refused(`line ${parsed.line + before}`, parsed.message);
  // Comments before a document are in no document's range.
  let begin = 0;
  const value = parsed.map(document => {
    const end = document.range[2];
    const source = text.slice(begin, end).replace(/^---[^\n]*\n/, "");
    begin = end;
    return { document, source };
  });
  return { ok: true, value, diagnostics: [] };
}

function refused(path: string, message: string): Result<never> {
  return { ok: false, diagnostics: [{ severity: "error", path, message, reason: "BadYaml" }] };
}

/** Whether anything was changed. */
function injectDocument(
  document: Document,
  name: string,
  options: YamlInjection,
  diagnostics: Diagnostic[],
): boolean {
  const object = plain(document);
  if (typeof object === "string") {
    diagnostics.push(...refused(name, object).diagnostics);
    return false;
  }
  const operations = podPlaces(object).flatMap(place => operationsAt(place, options, diagnostics));
  for (const operation of operations) applyTo(document, operation);
  return operations.length > 0;
}

/** Or what is wrong. */
function plain(document: Document): JsonObject | string {
  try {
    const { value } = yamlValue(document.contents, MAX_FILE_VALUES);
    const excess = findExcess(value, MAX_YAML_DEPTH);
    if (excess !== undefined) return `the document has ${excess}`;
    return isObject(value) ? value : {};
  } catch (error) {
    if (error instanceof YamlProblemError) return error.message;
    throw error;
  }
}

interface Operation {
  readonly keys: readonly (string | number)[];
  readonly operation: PatchOperation;
}

function operationsAt(
  place: PodPlace,
  options: YamlInjection,
  diagnostics: Diagnostic[],
): Operation[] {
  const { features, version } = options;
  // Who asks in this way asks for a proxy, whatever the policy for others is; Istio has it so, too.
  const config = { ...options.config, policy: { ...options.config.policy, enabled: true } };
  const injected = injectKubePod({
    pod: place.pod,
    namespace: place.namespace || options.namespace,
    ...(place.owner === undefined ? {} : { workload: place.owner }),
    config,
    features,
    version,
    asWritten: true,
    claims: place.claims,
  });
  const found = injected.ok ? injected.warnings : injected.diagnostics;
  diagnostics.push(
    ...found.map(each => ({
      ...each,
      path: each.path ? `${place.name}: ${each.path}` : place.name,
    })),
  );
  if (!injected.ok || !injected.injected) return [];
  return diffJson(place.pod, injected.pod).map(operation => ({
    keys: [...place.path, ...pointerKeys(operation.path)],
    operation,
  }));
}

/** yaml's own nodes are edited, so that comments and the order of keys stay. */
function applyTo(document: Document, { keys, operation }: Operation): void {
  if (operation.op === "remove") {
    document.deleteIn(keys);
    return;
  }
  // A sidecar on one line, between braces, could not be read.
  for (let depth = 0; depth < keys.length; depth++) {
    const above: unknown = document.getIn(keys.slice(0, depth), true);
    if (isCollection(above)) above.flow = false;
  }
  const parent: unknown = document.getIn(keys.slice(0, -1), true);
  const key = keys.at(-1);
  const node = document.createNode(operation.value, { aliasDuplicateObjects: false });
  if (isCollection(node)) node.flow = false;
  if (operation.op === "add" && isSeq(parent)) parent.items.splice(Number(key), 0, node);
  else document.setIn(keys, node);
}
