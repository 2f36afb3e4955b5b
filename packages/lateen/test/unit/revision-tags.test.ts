/** Revision tags over the webhooks that installations make: what is planned, refused, listed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../../src/api/kind.ts";
import { tagCommand } from "../../src/bin/tag-command.ts";
import {
  defaultValidator,
  mutatingWebhookConfiguration,
  revisionTagWebhook,
} from "../../src/inject/webhook-objects.ts";
import {
  defaultHolder,
  describeTags,
  type PlannedTag,
  planTag,
  renderOptions,
  type TagRequest,
} from "../../src/install/revision-tags.ts";
import { deactivated, withWebhooks } from "../../src/install/webhook-edits.ts";
import { overlaps } from "../../src/install/webhook-overlap.ts";
import { arrayAt, isObject, objectAt } from "../../src/sources/json.ts";
import { isDeactivated } from "../../src/sources/kube/other-control-planes.ts";
import { runCommand } from "../support/run-command.ts";

const facts = { namespace: "istio-system", enableNamespacesByDefault: false };
const PARTS = { tagWebhook: revisionTagWebhook, defaultValidator };
const INSTALLED = {
  "app.kubernetes.io/managed-by": "lateen",
  "operator.istio.io/component": "Pilot",
};

/** As an installation leaves it in the cluster, its root put in. */
function canonical(revision: string): JsonObject {
  const object = mutatingWebhookConfiguration({ ...facts, revision });
  const metadata = objectAt(object, "metadata");
  const labels = { ...objectAt(metadata, "labels"), ...INSTALLED };
  const live = { ...object, metadata: { ...metadata, labels, uid: "u", managedFields: [] } };
  return withWebhooks(live, each => ({
    ...each,
    clientConfig: { ...objectAt(each, "clientConfig"), caBundle: `root of ${revision}` },
  }));
}

const DEFAULT = canonical("default");
const CANARY = canonical("canary");
const REQUEST: TagRequest = {
  tag: "prod",
  revision: "canary",
  webhookName: undefined,
  overwrite: false,
  generate: false,
  autoInjectNamespaces: false,
  namespace: undefined,
};

function planned(webhooks: readonly JsonObject[], change: Partial<TagRequest> = {}) {
  const result = planTag(webhooks, { ...REQUEST, ...change }, PARTS);
  assert.ok(result.ok, JSON.stringify(result));
  return result;
}

function refusal(webhooks: readonly JsonObject[], change: Partial<TagRequest> = {}): string {
  const result: PlannedTag = planTag(webhooks, { ...REQUEST, ...change }, PARTS);
  assert.ok(!result.ok);
  return result.message;
}

function hooks(object: JsonObject | undefined): JsonObject[] {
  return arrayAt(object ?? {}, "webhooks").filter(isObject);
}

test("a tag leads where the revision's own webhook leads, and is a person's", () => {
  const { objects, deactivated: off } = planned([DEFAULT, CANARY]);
  assert.equal(off, undefined);
  const [tag, ...rest] = objects;
  assert.deepEqual(rest, []);
  const { name, labels } = objectAt(tag ?? {}, "metadata");
  assert.equal(name, "istio-revision-tag-prod");
  assert.deepEqual(labels, {
    app: "sidecar-injector",
    "app.kubernetes.io/managed-by": "lateen",
    "istio.io/rev": "canary",
    "istio.io/tag": "prod",
    release: "istio",
  });
  for (const hook of hooks(tag))
    assert.deepEqual(hook["clientConfig"], {
      service: { name: "istiod-canary", namespace: "istio-system", path: "/inject", port: 443 },
      caBundle: "root of canary",
    });
  const renamed = planned([CANARY], { webhookName: "mine" }).objects[0];
  assert.equal(objectAt(renamed ?? {}, "metadata")["name"], "mine");
});

test("tag default brings the validator, and the webhook without a name rests", () => {
  const { objects, deactivated: off } = planned([DEFAULT, CANARY], { tag: "default" });
  const [injector, validator] = objects;
  assert.equal(hooks(injector).length, 4);
  assert.equal(objectAt(validator ?? {}, "metadata")["name"], "istiod-default-validator");
  assert.deepEqual(hooks(validator)[0]?.["clientConfig"], {
    service: { name: "istiod-canary", namespace: "istio-system", path: "/validate", port: 443 },
    caBundle: "root of canary",
  });
  assert.ok(off !== undefined && isDeactivated(off));
  assert.deepEqual(Object.keys(objectAt(off, "metadata")).sort(), ["labels", "name"]);
  const again = planned([deactivated(DEFAULT), CANARY], { tag: "default" });
  assert.equal(again.deactivated, undefined, "it rests already");
  const all = planned([CANARY], { tag: "default", autoInjectNamespaces: true }).objects[0];
  assert.equal(hooks(all).length, 5);
});

test("a control plane behind a URL is validated with behind it, too", () => {
  const url = "https://mesh.example:15017/inject/cluster/c1/net/n1";
  const remote = withWebhooks(CANARY, each => ({ ...each, clientConfig: { url } }));
  const [injector, validator] = planned([remote], { tag: "default" }).objects;
  assert.deepEqual(hooks(injector)[0]?.["clientConfig"], { url });
  assert.deepEqual(hooks(validator)[0]?.["clientConfig"], {
    url: "https://mesh.example:15017/validate",
  });
});

test("what istioctl refuses, in its words", () => {
  const tag = planned([CANARY]).objects;
  assert.equal(
    refusal([DEFAULT]),
    'cannot modify tag: cannot find MutatingWebhookConfiguration with revision "canary"',
  );
  assert.equal(
    refusal([CANARY, CANARY]),
    'cannot modify tag: found multiple canonical webhooks with revision "canary"',
  );
  assert.equal(
    refusal([CANARY], { tag: "canary" }),
    'cannot create revision tag "canary": found existing control plane revision with same name',
  );
  assert.equal(
    refusal([CANARY, ...tag]),
    'revision tag "prod" already exists, and --overwrite is false',
  );
  assert.match(refusal([CANARY], { tag: "Prod" }), /"Prod" is no name for a tag/);
  const empty = { ...CANARY, webhooks: [] };
  assert.equal(
    refusal([empty]),
    'could not find sidecar-injector webhook in canonical webhook "istio-sidecar-injector-canary"',
  );
  planned([CANARY, ...tag], { overwrite: true });
  planned([CANARY], { tag: "canary", generate: true });
});

test("the list: tags, and revisions without one", () => {
  const namespace = (name: string, revision: string): JsonObject => ({
    metadata: { name, labels: { "istio.io/rev": revision } },
  });
  const namespaces = [namespace("b", "prod"), namespace("a", "prod"), namespace("c", "canary")];
  const prod = planned([CANARY]).objects;
  assert.deepEqual(describeTags([DEFAULT, CANARY, ...prod, { metadata: {} }], namespaces), [
    { tag: "prod", revision: "canary", namespaces: ["a", "b"] },
    { tag: "default", revision: "default", namespaces: [] },
  ]);
  const [moved = {}] = planned([DEFAULT, CANARY], { tag: "default" }).objects;
  const rests = { tag: "", revision: "default", namespaces: [] };
  const isMoved = { tag: "default", revision: "canary", namespaces: [] };
  assert.deepEqual(describeTags([deactivated(DEFAULT), CANARY, moved], []), [isMoved, rests]);
  const unnamed = [{ tag: "", revision: "canary", namespaces: [] }];
  assert.deepEqual(
    describeTags([CANARY], []),
    unnamed,
    "istioctl's row of a revision without a tag",
  );
});

test("who is the default, and who becomes it", () => {
  const makes = (revision: string, ...webhooks: readonly JsonObject[]) => {
    const { makeDefault, defaultByTag = false } = renderOptions(revision, defaultHolder(webhooks));
    return [makeDefault, defaultByTag];
  };
  assert.deepEqual(makes("default"), [true, false]);
  assert.deepEqual(makes("canary"), [true, false]);
  assert.deepEqual(makes("canary", DEFAULT), [false, false]);
  const [moved = {}] = planned([DEFAULT, CANARY], { tag: "default" }).objects;
  const rests = deactivated(DEFAULT);
  assert.deepEqual(makes("canary", rests, CANARY, moved), [false, true], "a person's is kept");
  assert.deepEqual(makes("default", rests, CANARY, moved), [true, true], "it takes the tag");
  const metadata = objectAt(moved, "metadata");
  const labels = { ...objectAt(metadata, "labels"), ...INSTALLED };
  const installed = { ...moved, metadata: { ...metadata, labels } };
  assert.deepEqual(makes("canary", CANARY, installed), [true, true], "made again");
  assert.deepEqual(makes("blue", CANARY, installed), [false, true]);
});

test("overlapping webhooks are found, and only those", () => {
  const [prod = {}] = planned([DEFAULT, CANARY]).objects;
  assert.deepEqual(overlaps(prod, [DEFAULT, CANARY, prod]), []);
  const [byDefault = {}] = planned([CANARY], { tag: "default" }).objects;
  const four = ["namespace", "object", "rev.namespace", "rev.object"];
  assert.deepEqual(
    overlaps(byDefault, [DEFAULT, CANARY]),
    four.map(name => `istio-sidecar-injector/${name}.sidecar-injector.istio.io`),
  );
  assert.deepEqual(overlaps(byDefault, [deactivated(DEFAULT), CANARY]), []);
});

test("what is missing on the command line, in istioctl's words", async () => {
  const saying = async (line: string): Promise<string> => {
    const { code, stderr } = await runCommand(tagCommand, line.split(" "));
    assert.equal(code, 1);
    return stderr;
  };
  assert.equal(await saying("set"), "must provide a tag for modification\n");
  assert.equal(await saying("set a b"), "must provide a single tag for creation\n");
  assert.equal(await saying("generate a"), 'required flag(s) "revision" not set\n');
  assert.equal(await saying("remove"), "must provide a tag for removal\n");
});
