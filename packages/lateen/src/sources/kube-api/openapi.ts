/**
 * OpenAPI v3, one document a group version, made of the kinds' schemas: for `kubectl explain`, its
 * validation and its patches.
 */
import { createHash } from "node:crypto";
import type { Json, JsonObject, Kind } from "../../api/kind.ts";
import { groupVersion } from "../store/stored.ts";
import { isCustom } from "./groups.ts";
import type { Served, ServedResources } from "./served.ts";

/** `api/v1`, `apis/apps/v1`: names of the documents below /openapi/v3. */
export function documentName(group: string, version: string): string {
  return group === "" ? `api/${version}` : `apis/${group}/${version}`;
}

/** `/openapi/v3`: where the documents are. The hash lets clients keep what has not changed. */
export function openApiIndex(served: ServedResources): JsonObject {
  const paths: Record<string, Json> = {};
  for (const [group, versions] of served.groups()) {
    for (const version of versions) {
      const name = documentName(group, version);
      const text = JSON.stringify(openApiDocument(served, group, version));
      const hash = createHash("sha256").update(text).digest("hex").toUpperCase().slice(0, 32);
      paths[name] = { serverRelativeURL: `/openapi/v3/${name}?hash=${hash}` };
    }
  }
  return { paths };
}

export function openApiDocument(
  served: ServedResources,
  group: string,
  version: string,
): JsonObject | undefined {
  const found = served.inGroupVersion(group, version);
  if (found.length === 0) return undefined;
  const schemas: Record<string, Json> = {};
  let paths: JsonObject = {};
  for (const one of found) {
    const { kind } = one;
    const name = schemaName(kind, version);
    const gvk = [{ group, version, kind: kind.kind }];
    schemas[name] = { ...kind.openApi, "x-kubernetes-group-version-kind": gvk };
    schemas[`${name}List`] = {
      type: "object",
      description: `${kind.kind}List is a list of ${kind.kind}.`,
      required: ["items"],
      properties: {
        apiVersion: { type: "string" },
        kind: { type: "string" },
        metadata: { type: "object" },
        items: { type: "array", items: { $ref: `#/components/schemas/${name}` } },
      },
      "x-kubernetes-group-version-kind": [{ group, version, kind: kind.listKind }],
    };
    paths = { ...paths, ...pathsOf(one, version, name) };
  }
  return {
    openapi: "3.0.0",
    info: { title: "Lateen", version: "v1" },
    paths,
    components: { schemas },
  };
}

/** `io.istio.networking.v1.VirtualService`: the group's parts the other way round. */
function schemaName(kind: Kind, version: string): string {
  const group = kind.group === "" ? "core" : kind.group;
  return `${group.split(".").reverse().join(".")}.${version}.${kind.kind}`;
}

function pathsOf(served: Served, version: string, schema: string): JsonObject {
  const { kind } = served;
  const base = `/${documentName(kind.group, version)}`;
  const collection = kind.namespaced
    ? `${base}/namespaces/{namespace}/${kind.plural}`
    : `${base}/${kind.plural}`;
  const all = kind.namespaced ? `${base}/${kind.plural}` : undefined;
  const operation = (action: string, list: boolean, writes: boolean): JsonObject =>
    operationOf(kind, version, { action, list, writes, schema });
  const get = operation("get", false, false);
  const list = operation("list", true, false);
  const collectionVerbs = served.writable
    ? {
        get: list,
        post: operation("post", false, true),
        delete: operation("deletecollection", false, true),
      }
    : { get: list };
  const objectVerbs = served.writable
    ? {
        get,
        put: operation("put", false, true),
        patch: operation("patch", false, true),
        delete: operation("delete", false, true),
      }
    : { get };
  return {
    ...(all === undefined ? {} : { [all]: { get: list } }),
    [collection]: collectionVerbs,
    [`${collection}/{name}`]: objectVerbs,
  };
}

interface OperationForm {
  readonly action: string;
  readonly list: boolean;
  readonly writes: boolean;
  readonly schema: string;
}

function operationOf(kind: Kind, version: string, form: OperationForm): JsonObject {
  const reference = { $ref: `#/components/schemas/${form.schema}${form.list ? "List" : ""}` };
  const patchTypes = isCustom(kind.group)
    ? ["application/json-patch+json", "application/merge-patch+json"]
    : [
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
      ];
  const types = form.action === "patch" ? patchTypes : ["application/json", "application/yaml"];
  const content = Object.fromEntries(
    types.map(type => [type, { schema: form.action === "patch" ? { type: "object" } : reference }]),
  );
  const hasBody = form.writes && !form.action.startsWith("delete");
  return {
    description: `${form.action} ${kind.kind}`,
    operationId: `${form.action}${groupVersion(kind.group, version)}${kind.kind}`,
    parameters: form.writes ? ["dryRun", "fieldManager", "fieldValidation"].map(parameter) : [],
    ...(hasBody ? { requestBody: { content, required: true } } : {}),
    responses: {
      "200": { description: "OK", content: { "application/json": { schema: reference } } },
    },
    "x-kubernetes-action": form.action,
    "x-kubernetes-group-version-kind": { group: kind.group, version, kind: kind.kind },
  };
}

function parameter(name: string): JsonObject {
  return { name, in: "query", schema: { type: "string", uniqueItems: true } };
}
