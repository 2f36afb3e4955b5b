/** AdmissionReview (admission.k8s.io/v1): what the API server asks a webhook, and the answer. */
import type { Json, JsonObject } from "../api/kind.ts";
import { isObject, objectAt, stringAt } from "../sources/json.ts";
import type { PatchOperation } from "./json-patch.ts";

export interface AdmissionRequest {
  readonly uid: string;
  /** Of the resource, e.g. "" and pods. */
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly operation: string;
  readonly namespace: string;
  readonly name: string;
  /** Empty for DELETE. */
  readonly object: JsonObject;
  /** Empty for CREATE. */
  readonly oldObject: JsonObject;
}

export type AdmissionAnswer =
  | {
      readonly allowed: true;
      readonly patch?: readonly PatchOperation[];
      readonly warnings?: readonly string[];
    }
  | {
      readonly allowed: false;
      /** HTTP code of the API server's answer. */
      readonly code: number;
      readonly reason: string;
      readonly message: string;
      readonly details?: Json;
      readonly warnings?: readonly string[];
    };

/** The API server cuts longer ones, and leaves out what comes after 4,096 characters in all. */
const MAX_WARNING = 256;
const MAX_WARNINGS = 4096;

/** The request of a review, or what is wrong with it. */
export function readReview(
  json: Json,
): { readonly request: AdmissionRequest; readonly apiVersion: string } | string {
  if (!isObject(json)) return "the body is no JSON object";
  const apiVersion = stringAt(json, "apiVersion");
  const served = ["admission.k8s.io/v1", "admission.k8s.io/v1beta1"];
  if (stringAt(json, "kind") !== "AdmissionReview" || !served.includes(apiVersion))
    return `found ${show(json["apiVersion"])} ${show(json["kind"])}; expected AdmissionReview of ${served.join(" or ")}`;
  const request = objectAt(json, "request");
  const uid = stringAt(request, "uid");
  if (isByHand(request)) return { apiVersion, request: createdPod(request) };
  if (uid === "") return "the review has no request.uid";
  const resource = objectAt(request, "resource");
  return {
    apiVersion,
    request: {
      uid,
      group: stringAt(resource, "group"),
      resource: stringAt(resource, "resource"),
      subresource: stringAt(request, "subResource"),
      operation: stringAt(request, "operation"),
      namespace: stringAt(request, "namespace"),
      name: stringAt(request, "name"),
      object: objectAt(request, "object"),
      oldObject: objectAt(request, "oldObject"),
    },
  };
}

/** `istioctl kube-inject` asks for the injection of a pod that nobody creates: its review says little more. */
function isByHand(request: JsonObject): boolean {
  const isReview = stringAt(objectAt(request, "kind"), "kind") === "AdmissionRequest";
  return isReview && stringAt(objectAt(request, "resource"), "resource") === "";
}

function createdPod(request: JsonObject): AdmissionRequest {
  const object = objectAt(request, "object");
  return {
    uid: stringAt(request, "uid"),
    group: "",
    resource: "pods",
    subresource: "",
    operation: "CREATE",
    namespace: stringAt(request, "namespace") || "default",
    name: stringAt(request, "name"),
    object,
    oldObject: {},
  };
}

function show(value: Json | undefined): string {
  return JSON.stringify(value ?? null).slice(0, 80);
}

/** The review that answers the request of that uid, in the version it was asked in. */
export function answerReview(apiVersion: string, uid: string, answer: AdmissionAnswer): JsonObject {
  const warnings = boundedWarnings(answer.warnings ?? []);
  const common: JsonObject = {
    uid,
    allowed: answer.allowed,
    ...(warnings.length === 0 ? {} : { warnings }),
  };
  return { apiVersion, kind: "AdmissionReview", response: { ...common, ...outcome(answer) } };
}

function outcome(answer: AdmissionAnswer): JsonObject {
  if (!answer.allowed) {
    const { code, reason, message, details } = answer;
    return { status: { code, reason, message, ...(details === undefined ? {} : { details }) } };
  }
  const { patch } = answer;
  if (patch === undefined || patch.length === 0) return {};
  const text = Buffer.from(JSON.stringify(patch)).toString("base64");
  return { patchType: "JSONPatch", patch: text };
}

function boundedWarnings(warnings: readonly string[]): string[] {
  const kept: string[] = [];
  let size = 0;
  for (const warning of warnings) {
    const text =
      warning.length <= MAX_WARNING ? warning : `${warning.slice(0, MAX_WARNING - 3)}...`;
    size += text.length;
    if (size > MAX_WARNINGS) break;
    kept.push(text);
  }
  return kept;
}
