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
  for (const text of ["015020", "1.502e4", "0x3aac", "+15020", "0", "65536"]) {
    const found = appScrape({ [`${IO}/port`]: text, [`${IO}/path`]: "/stats/prometheus" }, 15020);
    assert.deepEqual([found.app, found.diagnostics.length], [undefined, 1], text);
  }
});

test("the proxy's page is never asked for by itself, whichever of its ports is named", () => {
  for (const port of ["15000", "15001", "15006", "15020", "15021", "15090"])
    assert.deepEqual(scrape({ [`${IO}/port`]: port }), [false, ""], port);
  const moved = appScrape({ [`${IO}/port`]: "01234" }, 1234);
  assert.deepEqual([moved.app, moved.merges], [undefined, false]);
});

test("a path that no request can have is named", () => {
  for (const text of ["/a b", "/a\r\nx: y", "/a\u0001"]) {
    const { app, diagnostics } = appScrape({ [`${IO}/path`]: text }, 15020);
    assert.equal(app, undefined);
    assert.equal(diagnostics[0]?.path, "metadata.annotations[prometheus.io/path]");
    assert.match(diagnostics[0]?.message ?? "", /expected a path without spaces/);
  }
});
