/** ConfigMap `istio` is checked when it is written: a mesh configuration with errors is refused. */
import { configMapKind } from "../api/config-map/kind.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import { objectAt, stringAt } from "../sources/json.ts";
import { invalid, succeeded } from "../sources/status.ts";
import type { Admission } from "../sources/store/admission.ts";
import { defaultMesh, readMeshConfigMap, trustDomainChange } from "./mesh-config-input.ts";

export const meshConfigAdmission: Admission = ({ kind, object, before }) => {
  if (kind !== configMapKind) return succeeded(object);
  const read = readMeshConfigMap(object);
  if (read === undefined) return succeeded(object);
  const { settings, diagnostics } = read;
  if (settings === undefined) {
    const name = stringAt(objectAt(object, "metadata"), "name");
    return invalid(kind, name, diagnostics.filter(isError).map(causeOf));
  }
  const earlier = before && readMeshConfigMap(before)?.settings?.mesh;
  const from = (earlier ?? defaultMesh()).trustDomain;
  const to = settings.mesh.trustDomain;
  const changes = before === undefined || from === to ? [] : [trustDomainChange(from, to)];
  return succeeded(
    object,
    [...diagnostics, ...changes].map(({ path, message }) => `${path}: ${message}`),
  );
};

function isError({ severity }: Diagnostic): boolean {
  return severity === "error";
}

function causeOf({ path, message }: Diagnostic) {
  return { reason: "FieldValueInvalid", message, field: path };
}
