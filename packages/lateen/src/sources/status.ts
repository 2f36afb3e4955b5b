/**
 * Kubernetes' `Status` object: what every refused request gets, over HTTP and in process. Wording
 * and reasons follow k8s.io/apimachinery (api/errors), because kubectl and people read them.
 */

/** One field that is wrong; kubectl prints these below "The KIND \"NAME\" is invalid". */
export interface StatusCause {
  /** `FieldValueInvalid`, `FieldValueRequired`, `NamespaceTerminating`, ... */
  readonly reason: string;
  readonly message: string;
  /** JSON path, e.g. `spec.http[0].route`. */
  readonly field: string;
}

export interface StatusDetails {
  readonly name?: string;
  readonly group?: string;
  /** The resource (plural), or the kind where the reason is `Invalid`. */
  readonly kind?: string;
  readonly uid?: string;
  readonly causes?: readonly StatusCause[];
  readonly retryAfterSeconds?: number;
}

export interface Status {
  readonly kind: "Status";
  readonly apiVersion: "v1";
  readonly metadata: Readonly<Record<string, never>>;
  readonly status: "Failure" | "Success";
  readonly message?: string;
  readonly reason?: string;
  readonly details?: StatusDetails;
  readonly code: number;
}

/** The outcome of an API request. Warnings become `Warning: 299` headers. */
export type ApiResult<T> =
  | { readonly ok: true; readonly value: T; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly status: Status; readonly warnings: readonly string[] };

export interface Failed {
  readonly ok: false;
  readonly status: Status;
  readonly warnings: readonly string[];
}

/** What the messages need to know of a resource. */
export interface GroupResource {
  readonly group: string;
  readonly plural: string;
  readonly kind: string;
}

export function succeeded<T>(value: T, warnings: readonly string[] = []): ApiResult<T> {
  return { ok: true, value, warnings };
}

export function failed(
  code: number,
  reason: string,
  message: string,
  details?: StatusDetails,
): Failed {
  const status: Status = {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message,
    reason,
    ...(details === undefined ? {} : { details }),
    code,
  };
  return { ok: false, status, warnings: [] };
}

/** `virtualservices.networking.istio.io`, or `services` in the core group. */
function qualifiedResource(resource: GroupResource): string {
  return resource.group === "" ? resource.plural : `${resource.plural}.${resource.group}`;
}

function detailsOf(resource: GroupResource, name: string): StatusDetails {
  const group = resource.group === "" ? {} : { group: resource.group };
  return { name, ...group, kind: resource.plural };
}

export function notFound(resource: GroupResource, name: string): Failed {
  const message = `${qualifiedResource(resource)} "${name}" not found`;
  return failed(404, "NotFound", message, detailsOf(resource, name));
}

export function alreadyExists(resource: GroupResource, name: string): Failed {
  const message = `${qualifiedResource(resource)} "${name}" already exists`;
  return failed(409, "AlreadyExists", message, detailsOf(resource, name));
}

export function conflict(resource: GroupResource, name: string, why: string): Failed {
  const message = `Operation cannot be fulfilled on ${qualifiedResource(resource)} "${name}": ${why}`;
  return failed(409, "Conflict", message, detailsOf(resource, name));
}

export function forbidden(
  resource: GroupResource,
  name: string,
  why: string,
  causes: readonly StatusCause[] = [],
): Failed {
  const message = `${qualifiedResource(resource)} "${name}" is forbidden: ${why}`;
  const details = detailsOf(resource, name);
  const more = causes.length === 0 ? {} : { causes };
  return failed(403, "Forbidden", message, { ...details, ...more });
}

/** 422: `VirtualService.networking.istio.io "x" is invalid: spec.http: ...`. */
export function invalid(
  resource: GroupResource,
  name: string,
  causes: readonly StatusCause[],
): Failed {
  const qualified = resource.group === "" ? resource.kind : `${resource.kind}.${resource.group}`;
  const texts = causes.map(cause =>
    cause.field === "" ? cause.message : `${cause.field}: ${cause.message}`,
  );
  const text = texts.length === 1 ? (texts[0] ?? "") : `[${texts.join(", ")}]`;
  const group = resource.group === "" ? {} : { group: resource.group };
  const details = { name, ...group, kind: resource.kind, causes };
  return failed(422, "Invalid", `${qualified} "${name}" is invalid: ${text}`, details);
}

export function badRequest(message: string): Failed {
  return failed(400, "BadRequest", message);
}

/** 410: the history needed for this watch or list is gone; the client lists again. */
export function expired(message: string): Failed {
  return failed(410, "Expired", message);
}

export function tooLarge(message: string): Failed {
  return failed(413, "RequestEntityTooLarge", message);
}

export function internalError(message: string): Failed {
  return failed(500, "InternalError", `Internal error occurred: ${message}`);
}

export function methodNotAllowed(message: string): Failed {
  return failed(405, "MethodNotAllowed", message);
}
