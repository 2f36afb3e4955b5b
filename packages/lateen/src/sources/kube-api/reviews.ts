/**
 * Kubernetes' reviews of the caller's own rights (`kubectl auth can-i`, `whoami`). Nothing is kept
 * and nothing of the question matters: whoever is let in may do everything.
 */
import type { JsonObject } from "../../api/kind.ts";

const EVERYTHING = ["*"];
const REASON = "this API has no access rules: whoever is let in may do everything";

function review(apiVersion: string, kind: string, status: JsonObject): JsonObject {
  return { apiVersion, kind, metadata: {}, spec: {}, status };
}

const AUTHORIZATION = "authorization.k8s.io/v1";
const AUTHENTICATION = "authentication.k8s.io/v1";

const REVIEWS: Readonly<Record<string, JsonObject>> = {
  [`/apis/${AUTHORIZATION}/selfsubjectaccessreviews`]: review(
    AUTHORIZATION,
    "SelfSubjectAccessReview",
    { allowed: true, reason: REASON },
  ),
  [`/apis/${AUTHORIZATION}/selfsubjectrulesreviews`]: review(
    AUTHORIZATION,
    "SelfSubjectRulesReview",
    {
      resourceRules: [{ verbs: EVERYTHING, apiGroups: EVERYTHING, resources: EVERYTHING }],
      nonResourceRules: [{ verbs: EVERYTHING, nonResourceURLs: EVERYTHING }],
      incomplete: false,
    },
  ),
  [`/apis/${AUTHENTICATION}/selfsubjectreviews`]: review(AUTHENTICATION, "SelfSubjectReview", {
    userInfo: { username: "lateen", groups: ["system:masters", "system:authenticated"] },
  }),
};

/** The answer to a POST of a review, undefined for other paths. */
export function reviewAnswer(path: string): JsonObject | undefined {
  return REVIEWS[path];
}
