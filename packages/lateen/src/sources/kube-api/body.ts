/** Request bodies: JSON or YAML, bounded, with the position of what is wrong. */
import type { Json, JsonObject } from "../../api/kind.ts";
import { findExcess, isObject } from "../json.ts";
import { type ApiResult, badRequest, failed, succeeded, tooLarge } from "../status.ts";
import { readYaml } from "../yaml-documents.ts";
import { MAX_YAML_DEPTH } from "../yaml-limits.ts";
import { jsonErrorPosition } from "./json-position.ts";
import { PROTOBUF_TYPE, parseProtobuf } from "./protobuf-body.ts";

export const MAX_BODY_BYTES = 3 * 1024 * 1024;
/** Of one request in YAML, which costs far more than JSON to read: a CRD of 10,000 lines has 20,000. */
const MAX_BODY_VALUES = 50_000;
/** Each is decoded, checked and compared. */
const MAX_JSON_VALUES = 200_000;

/** Parses by content type; `yaml` says whether YAML is allowed (it contains JSON). */
export function parseBody(body: Uint8Array, contentType: string): ApiResult<Json> {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch {
    return badRequest("the body is not valid UTF-8");
  }
  const type = contentType.split(";")[0]?.trim() ?? "";
  const yaml = type.endsWith("yaml");
  const parsed = yaml ? parseYaml(text) : parseJson(text);
  if (!parsed.ok) return parsed;
  const excess = findExcess(parsed.value, MAX_YAML_DEPTH, MAX_JSON_VALUES);
  if (excess === undefined) return parsed;
  const message = `the body has ${excess}`;
  return excess.startsWith("more") ? tooLarge(message) : badRequest(message);
}

export function parseObject(body: Uint8Array, contentType: string): ApiResult<JsonObject> {
  const type = contentType.split(";")[0]?.trim() ?? "";
  if (type === PROTOBUF_TYPE) return parseProtobuf(body);
  if (!["", "application/json", "application/yaml"].includes(type))
    return failed(
      415,
      "UnsupportedMediaType",
      `the body of the request was in an unknown format (${type}) - accepted media types ` +
        "include: application/json, application/yaml",
    );
  const parsed = parseBody(body, contentType);
  if (!parsed.ok) return parsed;
  return isObject(parsed.value)
    ? succeeded(parsed.value)
    : badRequest("the body must be one object (apiVersion, kind, metadata, ...)");
}

/** The body of a server-side apply: YAML, which most clients write as JSON. */
export function parseApplied(body: Uint8Array): ApiResult<JsonObject> {
  const asJson = parseObject(body, "application/json");
  return asJson.ok || asJson.status.code === 413 ? asJson : parseObject(body, "application/yaml");
}

function parseJson(text: string): ApiResult<Json> {
  try {
    const value: Json = JSON.parse(text);
    return succeeded(value);
  } catch {
    const at = text.trim() === "" ? "it is empty" : jsonErrorPosition(text);
    return badRequest(`the body is not valid JSON: ${at ?? "unknown error"}`);
  }
}

function parseYaml(text: string): ApiResult<Json> {
  const { documents, problems } = readYaml(text, { values: MAX_BODY_VALUES });
  const [problem] = problems;
  if (problem !== undefined) {
    const column = problem.column === undefined ? "" : `, column ${problem.column}`;
    const where = `line ${problem.line}${column}`;
    if (problem.message.startsWith("the text has more than"))
      return tooLarge(`the body is too large: ${where}: ${problem.message}`);
    return badRequest(`the body is not valid YAML: ${where}: ${problem.message}`);
  }
  if (documents.length > 1) {
    return badRequest(`the body has ${documents.length} documents; one is expected`);
  }
  return succeeded(documents[0]?.value ?? null);
}
