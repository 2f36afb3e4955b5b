/** Request bodies: JSON or YAML, bounded, with the position of what is wrong. */
import { parseDocument } from "yaml";
import type { Json, JsonObject } from "../../api/kind.ts";
import { findExcess, isObject } from "../json.ts";
import { type ApiResult, badRequest, failed, succeeded } from "../status.ts";
import { jsonErrorPosition } from "./json-position.ts";
import { PROTOBUF_TYPE, parseProtobuf } from "./protobuf-body.ts";

export const MAX_BODY_BYTES = 3 * 1024 * 1024;
const MAX_DEPTH = 100;
/** More would be a bomb: YAML's aliases multiply. */
const MAX_ALIASES = 100;

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
  const excess = findExcess(parsed.value, MAX_DEPTH);
  return excess === undefined ? parsed : badRequest(`the body has ${excess}`);
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
  const document = parseDocument(text, { prettyErrors: true });
  const [problem] = document.errors;
  if (problem !== undefined) {
    const at = problem.linePos?.[0];
    const where = at === undefined ? "" : `line ${at.line}, column ${at.col}: `;
    return badRequest(`the body is not valid YAML: ${where}${problem.message.split("\n")[0]}`);
  }
  try {
    const plain: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
    // YAML knows values that JSON does not (binary, infinity): from here on there is only JSON.
    const value: Json = JSON.parse(JSON.stringify(plain ?? null));
    return succeeded(value);
  } catch (error) {
    return badRequest(
      `the body is not valid YAML: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}
