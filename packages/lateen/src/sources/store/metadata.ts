/** Rules for `metadata`, which hold for every kind (apimachinery: ValidateObjectMeta). */
import type { Json, JsonObject, Kind } from "../../api/kind.ts";
import { isArray, isObject, objectAt, stringAt } from "../json.ts";
import type { StatusCause } from "../status.ts";
import { resourceId } from "./stored.ts";

const MAX_ANNOTATION_BYTES = 256 * 1024;
const MAX_NAME = 253;
const MAX_LABEL = 63;
const DNS_LABEL = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/;
const DNS_1035 = /^[a-z]([a-z0-9-]*[a-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;
const QUALIFIED = /^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/;

const SUBDOMAIN_RULE =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', " +
  "and must start and end with an alphanumeric character (e.g. 'example.com')";
const LABEL_RULE =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must " +
  "start and end with an alphanumeric character (e.g. 'my-name' or '123-abc')";
const DNS_1035_RULE =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an " +
  "alphabetic character, and end with an alphanumeric character (e.g. 'my-name' or 'abc-123')";

/** Fields that a client may set; the server sets the others, and drops `managedFields`, `selfLink`. */
const CLIENT_FIELDS: readonly string[] = [
  "name",
  "generateName",
  "namespace",
  "labels",
  "annotations",
  "finalizers",
  "ownerReferences",
];
const SERVER_FIELDS: readonly string[] = [
  "uid",
  "resourceVersion",
  "generation",
  "creationTimestamp",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
  "managedFields",
  "selfLink",
];

export interface CheckedMetadata {
  /** What the client may set, without empty maps and lists. */
  readonly fields: JsonObject;
  readonly causes: readonly StatusCause[];
  readonly unknown: readonly string[];
}

/** Checks what a client wrote under `metadata` and keeps what it may set. */
export function checkMetadata(kind: Kind, body: JsonObject): CheckedMetadata {
  const metadata = objectAt(body, "metadata");
  const causes: StatusCause[] = [];
  const unknown: string[] = [];
  const fields: Record<string, Json> = {};
  for (const [key, value] of Object.entries(metadata)) {
    if (value === null) continue;
    if (!CLIENT_FIELDS.includes(key)) {
      if (!SERVER_FIELDS.includes(key)) unknown.push(`metadata.${key}`);
      continue;
    }
    checkField(key, value, causes);
    if (!isEmpty(value)) fields[key] = value;
  }
  checkName(kind, stringAt(metadata, "name"), stringAt(metadata, "generateName"), causes);
  return { fields, causes, unknown };
}

function isEmpty(value: Json): boolean {
  if (value === "") return true;
  if (isArray(value)) return value.length === 0;
  return isObject(value) && Object.keys(value).length === 0;
}

function checkField(key: string, value: Json, causes: StatusCause[]): void {
  if (key === "labels" || key === "annotations") checkStringMap(key, value, causes);
  else if (key === "finalizers") checkFinalizers(value, causes);
  else if (key === "ownerReferences") checkOwners(value, causes);
  else if (typeof value !== "string")
    causes.push(typeInvalid(`metadata.${key}`, value, "a string"));
}

function checkStringMap(key: "labels" | "annotations", value: Json, causes: StatusCause[]): void {
  const field = `metadata.${key}`;
  if (!isObject(value)) {
    causes.push(typeInvalid(field, value, "a map of strings"));
    return;
  }
  let bytes = 0;
  for (const [name, text] of Object.entries(value)) {
    if (typeof text !== "string") {
      causes.push(typeInvalid(`${field}.${name}`, text, "a string (quote numbers and booleans)"));
      continue;
    }
    bytes += Buffer.byteLength(name) + Buffer.byteLength(text);
    const wrongKey = qualifiedNameProblem(name);
    if (wrongKey !== undefined) causes.push(valueInvalid(field, name, wrongKey));
    if (key === "labels" && !isLabelValue(text)) causes.push(valueInvalid(field, text, VALUE_RULE));
  }
  if (key === "annotations" && bytes > MAX_ANNOTATION_BYTES)
    causes.push({
      reason: "FieldValueTooLong",
      message: `Too long: may not be more than ${MAX_ANNOTATION_BYTES} bytes`,
      field,
    });
}

const VALUE_RULE =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', " +
  "and must start and end with an alphanumeric character, at most 63 characters";

function isLabelValue(text: string): boolean {
  return text === "" || (text.length <= MAX_LABEL && QUALIFIED.test(text));
}

function qualifiedNameProblem(name: string): string | undefined {
  const slash = name.indexOf("/");
  const prefix = slash < 0 ? undefined : name.slice(0, slash);
  const rest = name.slice(slash + 1);
  if (prefix !== undefined && (prefix.length > MAX_NAME || !SUBDOMAIN.test(prefix.toLowerCase())))
    return `prefix part ${SUBDOMAIN_RULE}`;
  if (rest.length <= MAX_LABEL && QUALIFIED.test(rest)) return undefined;
  return (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end " +
    "with an alphanumeric character, at most 63 characters (e.g. 'MyName' or 'example.com/MyName')"
  );
}

function checkFinalizers(value: Json, causes: StatusCause[]): void {
  if (!isArray(value)) {
    causes.push(typeInvalid("metadata.finalizers", value, "a list of strings"));
    return;
  }
  value.forEach((item, i) => {
    const field = `metadata.finalizers[${i}]`;
    if (typeof item !== "string") causes.push(typeInvalid(field, item, "a string"));
    else {
      const problem = qualifiedNameProblem(item);
      if (problem !== undefined) causes.push(valueInvalid(field, item, problem));
    }
  });
}

function checkOwners(value: Json, causes: StatusCause[]): void {
  if (!isArray(value)) {
    causes.push(typeInvalid("metadata.ownerReferences", value, "a list"));
    return;
  }
  let controllers = 0;
  value.forEach((item, i) => {
    const field = `metadata.ownerReferences[${i}]`;
    if (!isObject(item)) {
      causes.push(typeInvalid(field, item, "an object"));
      return;
    }
    for (const key of ["apiVersion", "kind", "name", "uid"])
      if (stringAt(item, key) === "")
        causes.push({
          reason: "FieldValueRequired",
          message: "Required value",
          field: `${field}.${key}`,
        });
    if (item["controller"] === true) controllers++;
  });
  if (controllers > 1)
    causes.push({
      reason: "FieldValueInvalid",
      message: "Invalid value: only one reference can have controller set to true",
      field: "metadata.ownerReferences",
    });
}

const LABEL_NAMED: readonly string[] = ["/namespaces"];
const DNS_1035_NAMED: readonly string[] = ["/services"];

function checkName(kind: Kind, name: string, generateName: string, causes: StatusCause[]): void {
  if (name === "" && generateName === "") {
    const message = "Required value: name or generateName is required";
    causes.push({ reason: "FieldValueRequired", message, field: "metadata.name" });
    return;
  }
  const field = name === "" ? "metadata.generateName" : "metadata.name";
  // A generated name gets five more characters, so its prefix may end with a dash.
  const checked = name === "" ? `${generateName}x` : name;
  const problem = nameProblem(resourceId(kind), checked);
  if (problem !== undefined) causes.push(valueInvalid(field, name || generateName, problem));
}

function nameProblem(resource: string, name: string): string | undefined {
  if (LABEL_NAMED.includes(resource))
    return name.length <= MAX_LABEL && DNS_LABEL.test(name) ? undefined : LABEL_RULE;
  if (DNS_1035_NAMED.includes(resource))
    return name.length <= MAX_LABEL && DNS_1035.test(name) ? undefined : DNS_1035_RULE;
  return name.length <= MAX_NAME && SUBDOMAIN.test(name) ? undefined : SUBDOMAIN_RULE;
}

function valueInvalid(field: string, value: Json, rule: string): StatusCause {
  const message = `Invalid value: ${shown(value)}: ${rule}`;
  return { reason: "FieldValueInvalid", message, field };
}

function typeInvalid(field: string, value: Json, expected: string): StatusCause {
  const message = `Invalid value: ${shown(value)}: expected ${expected}`;
  return { reason: "FieldValueTypeInvalid", message, field };
}

const MAX_SHOWN = 120;

function shown(value: Json): string {
  const text = JSON.stringify(value);
  return text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN)}...`;
}
