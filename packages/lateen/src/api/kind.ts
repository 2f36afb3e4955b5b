/** What the product knows of an API kind: one description gives type, decoding, validation and CRD. */

import type { Diagnostic } from "../base/diagnostic.ts";
import type { SchemaNode } from "./schema.ts";

export interface ObjectMeta {
  readonly name: string;
  /** "" for cluster-scoped kinds. */
  readonly namespace: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly generation: number;
  /** RFC 3339, or "" when the object never was in a store. */
  readonly creationTimestamp: string;
  readonly deletionTimestamp?: string;
  readonly deletionGracePeriodSeconds?: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly generateName?: string;
  readonly finalizers?: readonly string[];
  readonly ownerReferences?: readonly OwnerReference[];
}

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

/** A decoded object of any kind; kinds narrow `spec`, `status` and the fields beside them. */
export interface ApiObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
}

/** Raw JSON as it came from a file, a store or a wire. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

/**
 * A column of `kubectl get` (Table), in Kubernetes' additionalPrinterColumns terms: without the name,
 * with which every row begins.
 */
export interface PrinterColumn {
  readonly name: string;
  readonly type: "string" | "integer" | "number" | "boolean" | "date";
  readonly description: string;
  /** 0 is always shown, 1 only with `-o wide`. */
  readonly priority: number;
  /** JSONPath as in a CRD (`.spec.hosts`), or a function for built-in kinds. */
  readonly value: string | ((object: JsonObject, nowMs: number) => string | number);
}

export interface Kind<T extends ApiObject = ApiObject> {
  /** "" for the core group. */
  readonly group: string;
  /** The version that is stored. */
  readonly storageVersion: string;
  /** All served versions, preferred first. */
  readonly versions: readonly string[];
  readonly kind: string;
  readonly listKind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  readonly subresources: readonly ("status" | "scale")[];
  readonly columns: readonly PrinterColumn[];
  /**
   * Decodes field by field into own types, with defaults. Errors: wrong types, broken rules
   * (Istio's validation). Warnings: unknown fields (dropped; a strict writer refuses them) and
   * fields that are known but not carried out yet (reason `NotCarriedOut`).
   */
  decode(json: JsonObject): Decoded<T>;
  /** Fills in the defaults that the API server would store (not those only the model needs). */
  applyDefaults(json: JsonObject): JsonObject;
  /** The fields beside apiVersion, kind and metadata. */
  readonly schema: SchemaNode;
  /** OpenAPI v3 schema of the whole object, with x-kubernetes-* extensions (list keys, patch keys). */
  readonly openApi: JsonObject;
}

export type Decoded<T> =
  | { readonly ok: true; readonly value: T; readonly diagnostics: readonly Diagnostic[] }
  | { readonly ok: false; readonly diagnostics: readonly Diagnostic[] };
