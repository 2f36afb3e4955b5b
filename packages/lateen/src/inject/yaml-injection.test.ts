import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parseAllDocuments } from "yaml";
import { parseText } from "../sources/files/parse.ts";
import { configOf, injectionCases, modern, older, textOf } from "./testdata/cases.ts";
import { injectYaml } from "./yaml-injection.ts";

/** `UPDATE_GOLDEN=1` writes the files anew; look at the difference before you commit it. */
const UPDATE = process.env["UPDATE_GOLDEN"] === "1";
const options = { version: "1.0", namespace: "default" };

for (const { name, features, texts } of injectionCases) {
  const file = `${name}${features.nativeSidecars ? "" : "-older"}.golden.yaml`;
  test(`kube-inject: ${file}`, () => {
    const result = injectYaml(textOf(name), { ...options, features, config: configOf(texts) });
    assert.ok(result.ok, JSON.stringify(result.diagnostics));
    const path = join(import.meta.dirname, "testdata", file);
    const warnings = result.diagnostics
      .map(found => `# ${found.path}: ${found.message}\n`)
      .join("");
    const now = warnings + result.value;
    if (UPDATE) writeFileSync(path, now);
    assert.equal(now, readFileSync(path, "utf8"));
    const again = injectYaml(result.value, { ...options, features, config: configOf(texts) });
    assert.ok(again.ok);
    assert.equal(again.value, result.value, "injecting twice changes nothing");
  });
}

test("what is not injected keeps every byte", () => {
  const text = "# one\nkind: ConfigMap\ndata: {a: 1,   b: 2}\n---\n# two\nkind: Secret\n";
  const [{ texts } = { texts: { config: "", values: "", mesh: "" } }] = injectionCases;
  const result = injectYaml(text, { ...options, features: modern, config: configOf(texts) });
  assert.ok(result.ok);
  assert.equal(result.value, text);
});

test("JSON objects in a row are documents of their own", () => {
  const [{ texts } = { texts: { config: "", values: "", mesh: "" } }] = injectionCases;
  const map = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "first" } };
  const template = { metadata: { labels: { app: "x" } }, spec: { containers: [{ name: "app" }] } };
  const deployment = { ...map, apiVersion: "apps/v1", kind: "Deployment", spec: { template } };
  const [one, two] = [JSON.stringify(map), JSON.stringify(deployment)];
  for (const text of [`${one}${two}`, `${one}\n${two}\n`, `${one}\n---\n${two}\n`]) {
    const result = injectYaml(text, { ...options, features: modern, config: configOf(texts) });
    assert.ok(result.ok, JSON.stringify(result.diagnostics));
    const [first, second, ...more] = parseText(result.value).objects.map(({ object }) => object);
    assert.deepEqual(first, map, text);
    assert.match(JSON.stringify(second), /"name":"istio-proxy"/);
    assert.deepEqual(more, []);
  }
});

test("comments and the order of keys stay, and the result is YAML", () => {
  const [first] = injectionCases;
  assert.ok(first !== undefined);
  const config = configOf(first.texts);
  const result = injectYaml(textOf("bookstore"), { ...options, features: older, config });
  assert.ok(result.ok);
  assert.match(result.value, /# A small shop of three services/);
  assert.match(result.value, /- name: shelf # the only one/);
  for (const document of parseAllDocuments(result.value)) assert.deepEqual(document.errors, []);
});

test("what can not be injected is an error that names object and field", () => {
  const [first] = injectionCases;
  assert.ok(first !== undefined);
  const config = configOf(first.texts);
  const bad = textOf("idle").replace(
    "labels:\n        app: idle\n    spec",
    "labels:\n        app: idle\n      annotations: {sidecar.istio.io/logLevel: loud}\n    spec",
  );
  const result = injectYaml(bad, { ...options, features: modern, config });
  assert.ok(!result.ok);
  const [found] = result.diagnostics;
  assert.equal(found?.path, "Deployment/idle: metadata.annotations[sidecar.istio.io/logLevel]");
  assert.match(found?.message ?? "", /^found "loud"; expected one of trace, debug/);
  assert.ok(!injectYaml("a: [", { ...options, features: modern, config }).ok);
});
