import assert from "node:assert/strict";
import { test } from "node:test";
import { debugAccess } from "./debug-access.ts";

const peer = (namespace: string) => ({
  identity: `spiffe://cluster.local/ns/${namespace}/sa/default`,
  claims: { namespace, serviceAccount: "default" },
});

test("the control plane's namespace may ask everything, others three pages about their own", () => {
  for (const page of ["syncz", "config_dump", "configz", "caz", "anything"])
    assert.deepEqual(debugAccess(peer("istio-system"), page, "istio-system"), {
      namespace: undefined,
    });
  for (const page of ["config_dump", "ndsz", "edsz"])
    assert.deepEqual(debugAccess(peer("app"), page, "istio-system"), { namespace: "app" });
  for (const page of [
    "syncz",
    "configz",
    "list",
    "",
    "__proto__",
    "config_dump/../syncz",
    "x".repeat(5000),
  ]) {
    const answer = debugAccess(peer("app"), page, "istio-system");
    assert.ok("refused" in answer, page);
    assert.equal(answer.code, 7);
    assert.ok(answer.refused.length < 400);
  }
});

test("whose name only looks like the control plane's namespace is somebody else", () => {
  for (const namespace of ["istio-system2", "ISTIO-SYSTEM", ""])
    assert.ok("refused" in debugAccess(peer(namespace), "syncz", "istio-system"));
});

test("without an identity there is nothing, whatever is claimed", () => {
  const nobody = { identity: undefined, claims: { namespace: "istio-system" } };
  for (const page of ["syncz", "edsz"]) {
    const answer = debugAccess(nobody, page, "istio-system");
    assert.ok("refused" in answer && answer.code === 16);
  }
});
