/** Takes a request apart: what resource, which object, what is asked of it. */
import type { HttpRequest } from "../../net/http-server.ts";
import { type ApiResult, badRequest, succeeded } from "../status.ts";
import { parseFieldSelector, parseLabelSelector, type Selection } from "../store/selectors.ts";
import type { FieldValidation } from "../store/validate.ts";

export interface ResourcePath {
  readonly group: string;
  readonly version: string;
  /** undefined: no namespace in the path. */
  readonly namespace: string | undefined;
  readonly plural: string;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
}

/** `/api/v1/namespaces/NS/pods/NAME/status` and its shorter forms; undefined for other paths. */
export function parseResourcePath(path: string): ResourcePath | undefined {
  const parts = path.split("/").filter(part => part !== "");
  const core = parts[0] === "api";
  if (!core && parts[0] !== "apis") return undefined;
  const group = core ? "" : (parts[1] ?? "");
  const version = core ? parts[1] : parts[2];
  const rest = parts.slice(core ? 2 : 3);
  if (version === undefined || rest.length === 0) return undefined;
  // `namespaces/NS` alone and its subresources are the Namespace object itself.
  const inNamespace =
    rest[0] === "namespaces" && rest.length > 2 && !isNamespaceSubresource(core, rest);
  const [plural = "", name, subresource, ...more] = inNamespace ? rest.slice(2) : rest;
  if (more.length > 0) return undefined;
  const namespace = inNamespace ? rest[1] : undefined;
  return { group, version, namespace, plural, name, subresource };
}

function isNamespaceSubresource(core: boolean, rest: readonly string[]): boolean {
  return core && rest.length === 3 && (rest[2] === "status" || rest[2] === "finalize");
}

/** The first value of a header, "" when it is not there. */
export function header(request: HttpRequest, name: string): string {
  const value = request.headers[name];
  if (value === undefined) return "";
  return typeof value === "string" ? value : value.join(", ");
}

export function flag(request: HttpRequest, name: string): boolean {
  const value = request.query.get(name);
  return value !== null && value !== "false" && value !== "0";
}

/** A whole number of the query; undefined when it is not there. */
export function count(request: HttpRequest, name: string): ApiResult<number | undefined> {
  const text = request.query.get(name);
  if (text === null || text === "") return succeeded(undefined);
  const number = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(number)) return succeeded(number);
  return badRequest(`${name}: Invalid value: ${JSON.stringify(text)}: expected a whole number`);
}

export function selectionOf(
  request: HttpRequest,
  resource: string,
  name: string | undefined,
): ApiResult<Selection> {
  const labels = parseLabelSelector(request.query.get("labelSelector") ?? "");
  if (!labels.ok) return labels;
  const fields = parseFieldSelector(resource, request.query.get("fieldSelector") ?? "");
  if (!fields.ok) return fields;
  const named = name === undefined ? [] : [{ path: "metadata.name", equal: true, value: name }];
  return succeeded({ labels: labels.value, fields: [...fields.value, ...named] });
}

export interface WriteParameters {
  readonly dryRun: boolean;
  /** Who writes: as it says itself, or the program's name. */
  readonly manager: string;
  readonly fieldValidation: FieldValidation;
}

const MAX_MANAGER = 128;

export function writeParameters(request: HttpRequest): ApiResult<WriteParameters> {
  const dryRun = request.query.get("dryRun") ?? "";
  if (dryRun !== "" && dryRun !== "All")
    return badRequest(`dryRun: Unsupported value: ${JSON.stringify(dryRun)}: supported: "All"`);
  const named = request.query.get("fieldManager") ?? "";
  if (named.length > MAX_MANAGER || !/^[\x20-\x7e]*$/.test(named))
    return badRequest(
      `fieldManager: Invalid value: expected at most ${MAX_MANAGER} printable characters`,
    );
  const program = header(request, "user-agent").split("/")[0] ?? "";
  const manager = named || program.slice(0, MAX_MANAGER) || "unknown";
  const validation = request.query.get("fieldValidation") ?? "Warn";
  switch (validation) {
    case "":
    case "Warn":
      return succeeded({ dryRun: dryRun !== "", manager, fieldValidation: "Warn" });
    case "Ignore":
    case "Strict":
      return succeeded({ dryRun: dryRun !== "", manager, fieldValidation: validation });
    default:
      return badRequest(
        `fieldValidation: Unsupported value: ${JSON.stringify(validation)}: supported: ` +
          '"Ignore", "Warn", "Strict"',
      );
  }
}
