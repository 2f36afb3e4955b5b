import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { ConnectionTable } from "../debug/connections.ts";
import { type DebugPage, debugPages, type ProxyQuery } from "../debug/pages.ts";
import type { Peer } from "../discovery/types.ts";
import { createGraph } from "../flow/graph.ts";
import { debugAnswers } from "./debug-answers.ts";

const PAGES = ["config_dump", "edsz", "ndsz"];

function rig() {
  const clock = new FakeClock();
  const dumped: ProxyQuery[] = [];
  const shown: string[] = [];
  const configDump = (query: ProxyQuery) => {
    dumped.push(query);
    return undefined;
  };
  const connections = new ConnectionTable(() => clock.now());
  const made = debugPages({
    connections,
    graph: createGraph(),
    notReady: () => undefined,
    missing: () => [],
    configObjects: () => [],
    endpoints: () => [],
    services: () => [],
    ca: () => ({}),
    configDump,
    clusterId: "Kubernetes",
  });
  const pages = made.map((page): DebugPage => {
    const answer: DebugPage["answer"] = (query, namespace) => {
      shown.push(page.name);
      return page.answer(query, namespace);
    };
    return { ...page, answer };
  });
  const answer = debugAnswers({ pages, connections, configDump, systemNamespace: "root", clock });
  return { answer, dumped, shown, clock };
}

const peerOf = (namespace: string): Peer => ({
  transport: "tls",
  identity: `spiffe://cluster.local/ns/${namespace}/sa/default`,
  claims: { namespace, serviceAccount: "default" },
  address: "10.0.0.1",
});

const word = fc.oneof(
  fc.constantFrom(
    ...PAGES,
    "syncz",
    "list",
    "configz",
    "..",
    ".",
    "%2e%2e",
    "__proto__",
    "\\",
    "?",
  ),
  fc.string(),
);
const name = fc
  .array(word, { maxLength: 5 })
  .chain(words => fc.constantFrom("/", "?proxyID=", "//", "").map(by => words.join(by)));
const type = fc.oneof(
  fc.constantFrom("istio.io/debug", "istio.io/debug/syncz", "istio.io/debug/config_dump"),
  fc.string().map(rest => `istio.io/debug/${rest}`),
);

test("whatever is asked, others get three pages about their own namespace, and nothing throws", () => {
  fc.assert(
    fc.property(type, fc.array(name, { maxLength: 3 }), (type, names) => {
      const { answer, dumped, shown } = rig();
      const answered = answer({ type, names }, peerOf("shop"));
      for (const page of shown) assert.ok(PAGES.includes(page), page);
      for (const { namespace } of dumped) assert.equal(namespace, "shop");
      if ("refused" in answered) assert.deepEqual([shown, dumped], [[], []]);
    }),
    { numRuns: 2000 },
  );
});

test("whatever the control plane's own namespace asks is answered or refused", () => {
  fc.assert(
    fc.property(type, fc.array(name, { maxLength: 3 }), (type, names) => {
      const { answer } = rig();
      const answered = answer({ type, names }, peerOf("root"));
      if ("refused" in answered) assert.equal(answered.code, 3);
      else assert.ok(answered.length <= 1);
    }),
    { numRuns: 1000 },
  );
});

test("many namespaces together do not ask as often as each of them may", () => {
  const { answer, clock, shown } = rig();
  const ask = (namespace: string) =>
    answer({ type: "istio.io/debug", names: ["edsz?proxyID=x"] }, peerOf(namespace));
  for (let n = 0; n < 5000; n++) ask(`ns-${n}`);
  const atOnce = shown.length;
  assert.ok(atOnce <= 10, `${atOnce} answers at once`);
  const refused = ask("one-more");
  assert.ok("refused" in refused && refused.code === 8);
  assert.ok(!("refused" in ask("root")), "operators are not behind them");
  clock.advance(2000);
  assert.ok(!("refused" in ask("one-more")));
});
