import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { interceptEverything, readInterception } from "./interception.ts";
import { interceptionRules, redirectRules } from "./interception-rules.ts";
import { interceptionScript } from "./interception-script.ts";

/** `UPDATE_GOLDEN=1` writes the files anew; look at the difference before you commit it. */
const UPDATE = process.env["UPDATE_GOLDEN"] === "1";

function assertGolden(name: string, now: string): void {
  const path = join(import.meta.dirname, "testdata", `${name}.rules`);
  if (UPDATE) writeFileSync(path, now);
  assert.equal(now, readFileSync(path, "utf8"));
}

const annotation = (name: string, value: string): Record<string, string> => ({
  [`traffic.sidecar.istio.io/${name}`]: value,
});

test("without annotations everything is intercepted", () => {
  const read = readInterception({});
  assert.ok(read.ok);
  assert.deepEqual(read.value, interceptEverything);
  assertGolden("everything", interceptionRules(read.value));
});

test("every annotation is in the rules", () => {
  const read = readInterception({
    ...annotation("includeInboundPorts", "8080, 9090"),
    ...annotation("excludeInboundPorts", "22"),
    ...annotation("includeOutboundIPRanges", "10.0.0.0/8,fd00::/8"),
    ...annotation("excludeOutboundIPRanges", "10.96.0.1"),
    ...annotation("includeOutboundPorts", "443"),
    ...annotation("excludeOutboundPorts", "3306,5432"),
    ...annotation("excludeInterfaces", "docker0"),
  });
  assert.ok(read.ok);
  assertGolden("annotated", interceptionRules(read.value));
  assertGolden("annotated-v6", interceptionRules(read.value, { ...redirectRules, family: 6 }));
});

test("an empty list means none, as Istio has it", () => {
  const read = readInterception({
    ...annotation("includeInboundPorts", ""),
    ...annotation("includeOutboundIPRanges", ""),
  });
  assert.ok(read.ok);
  const rules = interceptionRules(read.value);
  assert.doesNotMatch(rules, /-A PREROUTING/);
  assert.match(rules, /-A ISTIO_OUTPUT -j RETURN\nCOMMIT\n$/);
});

test("what is no port, CIDR or interface gets an error that names annotation and entry", () => {
  const read = readInterception({
    ...annotation("excludeInboundPorts", "80,70000,x"),
    ...annotation("includeOutboundIPRanges", "10.0.0.0/33"),
    ...annotation("excludeInterfaces", "a;reboot"),
  });
  assert.ok(!read.ok);
  assert.deepEqual(
    read.diagnostics.map(d => `${d.path.split("/")[1]} ${d.message}`),
    [
      'excludeInboundPorts] found "70000"; expected a port from 1 to 65535',
      'excludeInboundPorts] found "x"; expected a port from 1 to 65535',
      'includeOutboundIPRanges] found "10.0.0.0/33"; expected a CIDR such as 10.0.0.0/8',
      'excludeInterfaces] found "a;reboot"; expected an interface name',
    ],
  );
});

test("no annotation can put a line of its own into the rules", () => {
  const names = ["includeInboundPorts", "excludeOutboundIPRanges", "excludeInterfaces"];
  fc.assert(
    fc.property(fc.constantFrom(...names), fc.string(), (name, value) => {
      const read = readInterception(annotation(name, value));
      if (!read.ok) return;
      for (const line of interceptionRules(read.value).split("\n"))
        assert.match(line, /^(\*nat|:[A-Z_]+ (ACCEPT|-)|-A [A-Z_]+ [\w ./:!,-]+|COMMIT|)$/);
    }),
  );
});

test("TPROXY: inbound connections keep their addresses, outbound ones are redirected", () => {
  const tproxy = { ...redirectRules, mode: "TPROXY" } as const;
  assertGolden("tproxy", interceptionRules(interceptEverything, tproxy));
  const some = {
    ...interceptEverything,
    includeInboundPorts: [8080],
    rerouteInterfaces: ["k6t-0"],
  };
  assertGolden("tproxy-v6", interceptionRules(some, { ...tproxy, family: 6 }));
});

test("the init container's script, for one family and for both", () => {
  const one = { mode: "REDIRECT", statusPort: 15020, families: ["IPv4"] } as const;
  assertGolden("redirect-script", interceptionScript(interceptEverything, one));
  const both = { mode: "TPROXY", statusPort: 0, families: ["IPv6", "IPv4"] } as const;
  assertGolden("dual-tproxy-script", interceptionScript(interceptEverything, both));
});

test("virtual machines' interfaces: the newer name counts where both are there", () => {
  const of = (annotations: Readonly<Record<string, string>>): readonly string[] => {
    const read = readInterception(annotations);
    assert.ok(read.ok, JSON.stringify(read));
    return read.value.rerouteInterfaces;
  };
  const older = { "traffic.sidecar.istio.io/kubevirtInterfaces": "net1" };
  assert.deepEqual(of(older), ["net1"]);
  assert.deepEqual(of({ ...older, "istio.io/reroute-virtual-interfaces": "net2, net3" }), [
    ...["net2", "net3"],
  ]);
});
