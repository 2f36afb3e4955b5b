/** Results as HTTP answers. */
import { stringify } from "yaml";
import type { JsonObject } from "../../api/kind.ts";
import type { HttpAnswer } from "../../net/http-server.ts";
import type { Failed, Status } from "../status.ts";
import type { Accepted } from "./negotiate.ts";

const MAX_WARNING = 512;
const MAX_WARNINGS = 20;

/** A header can not hold more than printable ASCII; quotes and backslashes are escaped. */
export function warningHeaders(warnings: readonly string[]): Readonly<Record<string, string>> {
  if (warnings.length === 0) return {};
  const values = warnings.slice(0, MAX_WARNINGS).map(warning => {
    const text = warning.replace(/[^\x20-\x7e]/g, "?").replace(/["\\]/g, "\\$&");
    return `299 - "${text.slice(0, MAX_WARNING).replace(/\\$/, "")}"`;
  });
  return { warning: values.join(", ") };
}

export function jsonAnswer(
  status: number,
  object: JsonObject,
  accepted: Accepted,
  warnings: readonly string[] = [],
): HttpAnswer {
  const headers = warningHeaders(warnings);
  if (accepted.yaml)
    return { status, body: asYaml(object), contentType: "application/yaml", headers };
  const body = JSON.stringify(object);
  return { status, body, contentType: contentTypeOf(accepted), headers };
}

/** Quoted is also what Kubernetes would read as a truth value or an octal number. */
function asYaml(object: JsonObject): string {
  return stringify(object, { lineWidth: 0, aliasDuplicateObjects: false, compat: "yaml-1.1" });
}

export function contentTypeOf(accepted: Accepted): string {
  if (accepted.as === "APIGroupDiscoveryList")
    return "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
  return "application/json";
}

export function failedAnswer(failed: Failed): HttpAnswer {
  const { status, warnings } = failed;
  const retry = status.details?.retryAfterSeconds;
  return {
    status: status.code,
    json: status,
    headers: {
      ...warningHeaders(warnings),
      ...(retry === undefined ? {} : { "retry-after": String(retry) }),
    },
  };
}

/** What the HTTP server itself refuses (too large, bad path), in the API's own form. */
export function statusBody(code: number, message: string): Status {
  const reasons: Readonly<Record<number, string>> = {
    400: "BadRequest",
    404: "NotFound",
    405: "MethodNotAllowed",
    413: "RequestEntityTooLarge",
    500: "InternalError",
  };
  const reason = reasons[code] ?? "InternalError";
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message,
    reason,
    code,
  };
}
