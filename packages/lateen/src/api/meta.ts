/** metadata, the same for all kinds (apimachinery's ObjectMeta). */
import { dnsSubdomain, labelValue, qualifiedName } from "./names.ts";
import {
  any,
  boolean,
  describe,
  integer,
  list,
  map,
  object,
  optional,
  orElse,
  required,
  string,
  type TypeOf,
} from "./schema.ts";

const ownerReference = object({
  apiVersion: required(string()),
  kind: required(string()),
  name: required(string()),
  uid: required(string()),
  controller: boolean({ nullable: true }),
  blockOwnerDeletion: boolean({ nullable: true }),
});

export const labels = map(string({ check: labelValue }), { keyCheck: qualifiedName });

export const metadataSchema = object(
  {
    name: orElse(string({ description: "Unique among the kind in its namespace." }), ""),
    namespace: orElse(string({ description: "The namespace; empty for cluster kinds." }), ""),
    uid: orElse(string({ description: "Given by the store." }), ""),
    resourceVersion: orElse(string({ numberToo: true }), ""),
    generation: orElse(integer(), 0),
    creationTimestamp: orElse(string({ format: "date-time" }), ""),
    deletionTimestamp: string({ format: "date-time" }),
    deletionGracePeriodSeconds: integer(),
    labels: describe("Selectors look at these.", labels),
    annotations: map(string(), { keyCheck: qualifiedName }),
    generateName: string({ description: "Prefix for a name that the store makes unique." }),
    finalizers: optional(list(string(), { patchMerge: true })),
    ownerReferences: optional(list(ownerReference, { patchMergeKey: "uid", mapKeys: ["uid"] })),
    managedFields: any({ description: "Written by server-side apply; not used." }),
    selfLink: any({ description: "Gone from Kubernetes; not used." }),
  },
  { description: "Name, labels and what else every object has." },
);

export type DecodedMeta = TypeOf<typeof metadataSchema>;

/** The names of most kinds. */
export const defaultNameCheck = dnsSubdomain;
