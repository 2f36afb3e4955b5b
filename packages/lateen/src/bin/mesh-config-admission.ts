/** ConfigMap `istio` is checked when it is written: a mesh configuration with errors is refused. */
import { configMapKind } from "../api/config-map/kind.ts";
import type { Json, JsonObject } from "../api/kind.ts";
import { asNew, type Diagnostic, messageOf } from "../base/diagnostic.ts";
import { objectAt, stringAt } from "../sources/json.ts";
import { invalid, succeeded } from "../sources/status.ts";
import type { Admission } from "../sources/store/admission.ts";
import { defaultMesh, readMeshConfigMap, trustDomainChange } from "./mesh-config-input.ts";

export const meshConfigAdmission: Admission = ({ kind, object, before }) => {
  if (kind !== configMapKind) return succeeded(object);
  const read = readMeshConfigMap(object);
  if (read === undefined) return succeeded(object);
  const { settings, diagnostics } = read;
  // What is stored can get labels, whatever is wrong with it.
  const isNew = before === undefined || textOf(before) !== textOf(object);
  const errors = (isNew ? asNew(diagnostics) : []).filter(isError);
  if (errors.length > 0) {
    const name = stringAt(objectAt(object, "metadata"), "name");
    return invalid(kind, name, errors.map(causeOf));
  }
  const earlier = before && readMeshConfigMap(before)?.settings?.mesh;
  const from = (earlier ?? defaultMesh()).trustDomain;
  const to = settings?.mesh.trustDomain ?? from;
  const changes = before === undefined || from === to ? [] : [trustDomainChange(from, to)];
  return succeeded(
    object,
    [...diagnostics, ...changes].map(each => `${each.path}: ${messageOf(each)}`),
  );
};

function textOf(object: JsonObject): Json | undefined {
  return objectAt(object, "data")["mesh"];
}

function isError({ severity }: Diagnostic): boolean {
  return severity === "error";
}

function causeOf({ path, message }: Diagnostic) {
  return { reason: "FieldValueInvalid", message, field: path };
}
