import assert from "node:assert/strict";
import { test } from "node:test";
import { appScrape, withoutScrape } from "./app-scrape.ts";

const IO = "prometheus.io";

function scrape(annotations: Readonly<Record<string, string>>) {
  const { merges, app } = appScrape(annotations, 15020);
  return [merges, app === undefined ? "" : `${app.port}${app.path}`];
}

test("metrics are merged unless the pod does not want to be scraped", () => {
  assert.deepEqual(scrape({}), [true, ""]);
  assert.deepEqual(scrape({ [`${IO}/scrape`]: "true" }), [true, "80/metrics"]);
  for (const text of ["1", "t", "True", "yes", "maybe"])
    assert.deepEqual(scrape({ [`${IO}/scrape`]: text }), [true, "80/metrics"], text);
  for (const text of ["false", "0", "F", "FALSE"])
    assert.deepEqual(scrape({ [`${IO}/scrape`]: text, [`${IO}/port`]: "90" }), [false, ""], text);
});

test("port or path alone say that the application has metrics", () => {
  assert.deepEqual(scrape({ [`${IO}/port`]: "9090" }), [true, "9090/metrics"]);
  assert.deepEqual(scrape({ [`${IO}/path`]: "own" }), [true, "80/own"]);
});

test("a pod that names the proxy's own port is left alone", () => {
  assert.deepEqual(scrape({ [`${IO}/port`]: "15020", [`${IO}/path`]: "/x" }), [false, ""]);
});

test("every spelling that Prometheus takes for the same is read, and replaced", () => {
  const odd = { "prometheus.io.port": "9091", "prometheus-io/path": "/p", other: "stays" };
  assert.deepEqual(scrape(odd), [true, "9091/p"]);
  assert.deepEqual(withoutScrape(odd), { other: "stays" });
});

test("a port that is none is named", () => {
  const { app, merges, diagnostics } = appScrape({ [`${IO}/port`]: "web" }, 15020);
  assert.deepEqual([app, merges], [undefined, true]);
  assert.equal(diagnostics[0]?.path, "metadata.annotations[prometheus.io/port]");
  assert.match(diagnostics[0]?.message ?? "", /found "web"; expected a port/);
});
