import assert from "node:assert/strict";
import { test } from "node:test";
import { noMoreStats, statsConfig } from "./bootstrap-stats.ts";
import {
  concurrencyOf,
  type ProxyOptions,
  readProxyOptions,
  standardDefaults,
} from "./proxy-options.ts";

type Annotations = Readonly<Record<string, string>>;

function read(annotations: Annotations) {
  return readProxyOptions(
    { annotations, decodeYaml: (text, decode) => decode({ value: JSON.parse(text) }) },
    standardDefaults,
  );
}

function options(annotations: Annotations): ProxyOptions {
  const result = read(annotations);
  assert.ok(result.ok, JSON.stringify(result.diagnostics));
  return result.value;
}

test("without annotations the defaults hold", () => {
  const { interceptionMode, statusPort, logLevel, rewriteProbes } = options({});
  assert.deepEqual(
    [interceptionMode, statusPort, logLevel, rewriteProbes],
    ["REDIRECT", 15020, "warning", true],
  );
});

test("proxy.istio.io/config is over the mesh's, and one annotation over it", () => {
  const config = JSON.stringify({
    concurrency: 4,
    interceptionMode: "TPROXY",
    statusPort: 15100,
    proxyMetadata: { A: "1" },
    proxyStatsMatcher: { inclusionPrefixes: ["x"] },
  });
  const both = options({
    "proxy.istio.io/config": config,
    "sidecar.istio.io/interceptionMode": "NONE",
    "sidecar.istio.io/statsInclusionSuffixes": "y, z",
  });
  assert.equal(concurrencyOf(both), 4);
  assert.equal(both.interceptionMode, "NONE");
  assert.equal(both.statusPort, 15100);
  const kept = { prefixes: ["x"], suffixes: ["y", "z"], regexes: [] };
  assert.deepEqual(both.stats, { ...noMoreStats, ...kept });
  assert.deepEqual(both.config.proxyMetadata, { A: "1" });
});

test("histograms have the pod's bounds before Istio's, and statistics live as long as it says", () => {
  const { stats } = options({
    "sidecar.istio.io/statsHistogramBuckets": '{"istiocustom": [1, 5.5, 10]}',
    "sidecar.istio.io/statsEvictionInterval": "1m",
  });
  assert.deepEqual(stats.buckets, [{ prefix: "istio", bounds: [1, 5.5, 10] }]);
  assert.equal(stats.evictionSeconds, 60);
  const { histogram_bucket_settings: settings } = statsConfig(stats);
  assert.match(JSON.stringify(settings), /^\[\{"match":\{"prefix":"istio"\},"buckets":\[1,5.5,10/);
  const names = '{"istiocustom.istio_request_bytes": [1], "istiocustomer": [1], "listener": [1]}';
  const named = options({ "sidecar.istio.io/statsHistogramBuckets": names }).stats.buckets;
  assert.deepEqual(
    named.map(({ prefix }) => prefix),
    ["istio_request_bytes", "istiocustomer", "listener"],
  );
  assert.equal(options({}).stats.evictionSeconds, 300);
});

test("bytes of TCP count at the end of a connection, or while it lives, as the pod says", () => {
  assert.equal(options({}).tcpBytes, undefined);
  assert.equal(options({ "metrics.lateen.dev/tcp-bytes": "live" }).tcpBytes, "live");
  const bad = read({ "metrics.lateen.dev/tcp-bytes": "yes" });
  assert.ok(!bad.ok && /expected one of live, at-close/.test(bad.diagnostics[0]?.message ?? ""));
});

test("the control plane's address can be said by an annotation of its own", () => {
  const name = "sidecar.istio.io/discoveryAddress";
  const address = (annotations: Annotations): string | undefined =>
    options(annotations).config.discoveryAddress;
  assert.equal(address({ [name]: "other.example:15012" }), "other.example:15012");
  const config = '{"discoveryAddress": "third.example:15012"}';
  assert.equal(
    address({ [name]: "other.example:15012", "proxy.istio.io/config": config }),
    "third.example:15012",
  );
});

test("worker threads follow the CPU limit", () => {
  const threads = (limit: string): number =>
    concurrencyOf(options({ "sidecar.istio.io/proxyCPULimit": limit }));
  assert.deepEqual(["100m", "1", "1500m", "2.5", "4"].map(threads), [1, 1, 2, 3, 4]);
  assert.equal(concurrencyOf(options({})), 2);
  assert.equal(concurrencyOf(options({ "proxy.istio.io/config": '{"concurrency":0}' })), 0);
});

test("one resource annotation replaces the installation's resources", () => {
  const { resources } = options({ "sidecar.istio.io/proxyMemory": "64Mi" });
  assert.deepEqual(resources, { requests: { memory: "64Mi" }, limits: {} });
});

const wrong: readonly (readonly [string, string, RegExp])[] = [
  ["sidecar.istio.io/logLevel", "loud", /expected one of trace/],
  ["sidecar.istio.io/componentLogLevel", "misc=debug", /expected component:level pairs/],
  ["sidecar.istio.io/proxyCPU", "-1", /expected a quantity/],
  ["sidecar.istio.io/proxyImage", "a b", /expected the name of an image/],
  ["sidecar.istio.io/rewriteAppHTTPProbers", "maybe", /expected true or false/],
  ["status.sidecar.istio.io/port", "70000", /expected a whole number from 0 to 65535/],
  ["sidecar.istio.io/userVolume", "[]", /expected JSON such as/],
  ["sidecar.istio.io/userVolume", '{"a": 1}', /expected JSON such as/],
  ["sidecar.istio.io/statsInclusionPrefixes", "a,".repeat(200), /expected at most 128 items/],
  ["sidecar.istio.io/statsHistogramBuckets", '{"a": [2, 1]}', /expected JSON such as/],
  ["sidecar.istio.io/statsHistogramBuckets", '{"": [1]}', /expected JSON such as/],
  ["sidecar.istio.io/statsHistogramBuckets", '{"\\ud800": [1]}', /expected JSON such as/],
  ["sidecar.istio.io/statsHistogramBuckets", '{"istio": [1, 1e400]}', /expected JSON such as/],
  ["sidecar.istio.io/statsEvictionInterval", "7s", /a multiple of 5s/],
  ["sidecar.istio.io/discoveryAddress", "a b", /HOST:PORT/],
  ["proxy.istio.io/config", "[1]", /no YAML object/],
  ["proxy.istio.io/config", '{"concurrency": "many"}', /want/],
];

for (const [name, value, expected] of wrong)
  test(`a bad annotation is named: ${name}=${value.slice(0, 12)}`, () => {
    const result = read({ [name]: value });
    assert.ok(!result.ok);
    const [found] = result.diagnostics;
    assert.ok(found?.path.includes(name), found?.path);
    assert.match(found?.message ?? "", expected);
  });
