/** What the annotations `traffic.sidecar.istio.io/*` make of real connections, in a real namespace. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readInterception } from "../../src/proxy/interception.ts";
import { interceptionScript } from "../../src/proxy/interception-script.ts";
import { inNamespace } from "../support/network-namespace.ts";
import { needsRoot } from "../support/pod-mesh.ts";

/** Answers on each port by its name: who got the connection. */
const server = (names: Readonly<Record<number, string>>): string =>
  `for (const [port, name] of Object.entries(${JSON.stringify(names)}))` +
  ' require("http").createServer((q, s) => s.end(name + "\\n")).listen(Number(port), "0.0.0.0")';

const POD = server({
  15001: "outbound",
  15006: "inbound",
  8080: "application",
  9102: "application",
});
const ELSEWHERE = server({ 80: "elsewhere", 443: "elsewhere", 5432: "elsewhere" });

/** Who gets a connection to each of these: from elsewhere into the pod, and from the pod. */
const INTO = ["8080", "9102"];
const FROM = ["10.7.0.8:80", "10.7.1.8:80", "10.6.0.8:80", "10.7.0.8:5432", "10.6.0.8:443"];

interface Case {
  readonly annotations: Readonly<Record<string, string>>;
  readonly into: readonly string[];
  readonly from: readonly string[];
}

const cases: readonly Case[] = [
  {
    annotations: {},
    into: ["inbound", "inbound"],
    from: ["outbound", "outbound", "outbound", "outbound", "outbound"],
  },
  {
    annotations: { excludeInboundPorts: "9102", includeOutboundIPRanges: "10.7.0.0/16" },
    into: ["inbound", "application"],
    from: ["outbound", "outbound", "elsewhere", "outbound", "elsewhere"],
  },
  {
    annotations: {
      ...{ includeInboundPorts: "9102", includeOutboundIPRanges: "10.7.0.0/16" },
      ...{ excludeOutboundIPRanges: "10.7.1.0/24", excludeOutboundPorts: "5432" },
      includeOutboundPorts: "443",
    },
    into: ["application", "inbound"],
    from: ["outbound", "elsewhere", "elsewhere", "elsewhere", "outbound"],
  },
  {
    annotations: { includeInboundPorts: "", includeOutboundIPRanges: "" },
    into: ["application", "application"],
    from: ["elsewhere", "elsewhere", "elsewhere", "elsewhere", "elsewhere"],
  },
  {
    annotations: { excludeInterfaces: "eth0" },
    into: ["application", "application"],
    from: ["elsewhere", "elsewhere", "elsewhere", "elsewhere", "elsewhere"],
  },
];

function scriptOf({ annotations }: Case): string {
  const named = Object.entries(annotations).map(
    ([name, value]) => [`traffic.sidecar.istio.io/${name}`, value] as const,
  );
  const read = readInterception(Object.fromEntries(named));
  assert.ok(read.ok);
  const options = { mode: "REDIRECT", statusPort: 15020, families: ["IPv4"] } as const;
  return interceptionScript(read.value, options);
}

test("connections go where the annotations say", { skip: needsRoot() }, async () => {
  const ask = (address: string): string => `curl -s -m 5 http://${address}/`;
  const into = INTO.map(port => `ip netns exec $other ${ask(`10.9.8.7:${port}`)}`);
  const from = FROM.map(ask);
  const printed = await inNamespace(
    [
      "other=lateen-$$",
      "mount -t tmpfs none /run && ip netns add $other && ip link set peer0 netns $other",
      "ip -n $other link set peer0 up && ip -n $other link set lo up",
      "for each in 10.9.8.8/24 10.7.0.8/32 10.7.1.8/32 10.6.0.8/32; do",
      "ip -n $other address add $each dev peer0",
      "done",
      "ip route add default via 10.9.8.8",
      `${process.execPath} -e '${POD}' &`,
      "pod=$!",
      `ip netns exec $other ${process.execPath} -e '${ELSEWHERE}' &`,
      "elsewhere=$!",
      ...[...into, ...from].map(each => `until ${each} >/dev/null; do sleep 0.1; done`),
      ...cases.flatMap(each => [
        `(${scriptOf(each)}) >/dev/null`,
        ...[...into, ...from].map(command => `${command} || echo nobody`),
      ]),
      "kill $pod $elsewhere; ip netns del $other",
    ].join("\n"),
  );
  const lines = printed.trimEnd().split("\n");
  const size = INTO.length + FROM.length;
  for (const [i, { annotations, into: inward, from: outward }] of cases.entries()) {
    const found = lines.slice(i * size, (i + 1) * size);
    assert.deepEqual(found, [...inward, ...outward], JSON.stringify(annotations));
  }
});
