/** What the API server itself fills in or refuses, beyond a kind's own defaults and validation. */
import type { Json, JsonObject, Kind } from "../../api/kind.ts";
import { isObject, objectAt, stringAt, withKey, withoutKey } from "../json.ts";
import { type ApiResult, forbidden, succeeded } from "../status.ts";
import type { ObjectTables } from "./object-tables.ts";
import { resourceId } from "./stored.ts";

export interface AdmissionRequest {
  readonly kind: Kind;
  readonly namespace: string;
  /** The object as it will be stored. */
  readonly object: JsonObject;
  /** undefined: it is being created. */
  readonly before: JsonObject | undefined;
  readonly tables: ObjectTables;
}

/** Returns the object to store, or why it may not be. */
export type Admission = (request: AdmissionRequest) => ApiResult<JsonObject>;

/** Those that every store has. */
export const builtInAdmission: readonly Admission[] = [admitNamespace, admitSecret, admitPod];

function admitNamespace(request: AdmissionRequest): ApiResult<JsonObject> {
  if (resourceId(request.kind) !== "/namespaces") return succeeded(request.object);
  const metadata = objectAt(request.object, "metadata");
  const labels = {
    ...objectAt(metadata, "labels"),
    "kubernetes.io/metadata.name": stringAt(metadata, "name"),
  };
  const labelled = withKey(request.object, "metadata", { ...metadata, labels });
  if (request.before !== undefined) return succeeded(labelled);
  return succeeded(withKey(labelled, "status", { phase: "Active" }));
}

/** `stringData` is for writing only: it ends in `data`, in base64. */
function admitSecret(request: AdmissionRequest): ApiResult<JsonObject> {
  const { object } = request;
  const plain = object["stringData"];
  if (resourceId(request.kind) !== "/secrets" || !isObject(plain)) return succeeded(object);
  const data: Record<string, Json> = { ...objectAt(object, "data") };
  for (const [key, value] of Object.entries(plain))
    data[key] = Buffer.from(String(value)).toString("base64");
  return succeeded({ ...withoutKey(object, "stringData"), data });
}

function admitPod(request: AdmissionRequest): ApiResult<JsonObject> {
  if (resourceId(request.kind) !== "/pods" || request.before !== undefined)
    return succeeded(request.object);
  const spec = objectAt(request.object, "spec");
  const account = stringAt(spec, "serviceAccountName") || "default";
  if (request.tables.get("/serviceaccounts", request.namespace, account) === undefined) {
    const name = stringAt(objectAt(request.object, "metadata"), "name");
    const where = `${request.namespace}/${account}`;
    const why = `error looking up service account ${where}: serviceaccount "${account}" not found`;
    return forbidden(request.kind, name, why);
  }
  return succeeded({
    ...request.object,
    spec: { ...spec, serviceAccountName: account, serviceAccount: account },
    status: { phase: "Pending" },
  });
}
