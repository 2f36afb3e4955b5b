/** security.istio.io RequestAuthentication. */
import { defineKind, type ObjectOfKind } from "../define.ts";
import { status } from "../networking/common.ts";
import { atMostOne, policySelector, targetRef, targetRefs } from "../policy/common.ts";
import {
  boolean,
  duration,
  enumOf,
  list,
  notYet,
  object,
  required,
  type SchemaRule,
  string,
} from "../schema.ts";

const words = list(string({ minLength: 1 }));

const HTTP_URL: SchemaRule = {
  rule: 'url(self).getScheme() in ["http", "https"]',
  message: "want a URL that begins with http:// or https://",
  holds: value => typeof value === "string" && /^https?:\/\//i.test(value) && URL.canParse(value),
};
const keySetUrl = string({ minLength: 1, maxLength: 2048, rules: [HTTP_URL] });

const jwtRule = object(
  {
    issuer: string({ minLength: 1, description: "The `iss` of tokens." }),
    audiences: words,
    jwksUri: keySetUrl,
    jwks_uri: keySetUrl,
    jwks: string({ description: "The keys themselves, as a JSON Web Key Set." }),
    fromHeaders: list(object({ name: required(string({ minLength: 1 })), prefix: string() })),
    fromParams: words,
    fromCookies: words,
    forwardOriginalToken: boolean(),
    outputPayloadToHeader: string(),
    outputClaimToHeaders: list(
      object({
        claim: required(string({ minLength: 1 })),
        header: required(string({ minLength: 1, pattern: "^[-_A-Za-z0-9]+$" })),
      }),
    ),
    presence: enumOf(["OPTIONAL", "REQUIRED"]),
    spaceDelimitedClaims: list(string({ minLength: 1 }), { maxItems: 64 }),
    timeout: duration(),
  },
  { rules: [atMostOne("jwksUri", "jwks_uri", "jwks")] },
);

const fields = {
  spec: notYet(
    object(
      {
        selector: policySelector,
        targetRef,
        targetRefs,
        jwtRules: list(jwtRule, { maxItems: 4096, description: "Tokens that are taken." }),
      },
      { rules: [atMostOne("selector", "targetRef", "targetRefs")] },
    ),
  ),
  status,
};

export type RequestAuthentication = ObjectOfKind<typeof fields>;

export const requestAuthenticationKind = defineKind({
  group: "security.istio.io",
  versions: ["v1", "v1beta1"],
  kind: "RequestAuthentication",
  plural: "requestauthentications",
  shortNames: ["ra"],
  categories: ["istio-io", "security-istio-io"],
  subresources: ["status"],
  description: "Which JSON Web Tokens of end users workloads take.",
  fields,
  columns: [],
});
