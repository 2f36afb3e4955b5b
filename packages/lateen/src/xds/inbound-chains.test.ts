import assert from "node:assert/strict";
import { test } from "node:test";
import type { MutualTlsMode, Protocol } from "../model/types.ts";
import { chainKinds, inspectors } from "./inbound-chains.ts";

function port(number: number, protocol: Protocol, mtls: MutualTlsMode) {
  return { port: number, kinds: chainKinds(protocol, mtls) };
}

/** Names of the inspectors, each with the ports it is kept away from, or kept to. */
function summary(ports: readonly ReturnType<typeof port>[], undeclared: MutualTlsMode): string[] {
  return inspectors(ports, undeclared).map(filter => {
    const { notMatch, ...off } = filter.filterDisabled ?? {};
    const { orMatch, destinationPortRange } = notMatch ?? off;
    const ranges = orMatch?.rules?.map(rule => rule.destinationPortRange) ?? [destinationPortRange];
    const numbers = ranges.map(range => range?.start).join(",");
    return `${filter.name?.split(".").at(-1)} ${notMatch ? "only" : "not"} ${numbers}`;
  });
}

test("only chains that end the mesh's TLS know their peer", () => {
  for (const mtls of ["DISABLE", "PERMISSIVE", "STRICT"] as const)
    for (const protocol of ["HTTP", "TCP", "AUTO"] as const)
      for (const kind of chainKinds(protocol, mtls)) {
        if (mtls === "STRICT") assert(kind.mutualTls, "STRICT lets only the mesh in");
        if (mtls === "DISABLE") assert(!kind.mutualTls);
        if (kind.mutualTls) assert.equal(kind.transportProtocol, "tls");
      }
});

test("declared HTTP is not sniffed for HTTP, undeclared ports are", () => {
  assert.deepEqual(summary([port(8080, "HTTP", "PERMISSIVE")], "PERMISSIVE"), [
    "tls_inspector not 15006",
    "http_inspector not 8080,15006",
  ]);
});

test("STRICT needs no look for HTTP", () => {
  assert.deepEqual(summary([port(8080, "HTTP", "STRICT")], "STRICT"), ["tls_inspector not 15006"]);
});

test("a sniffed port is sniffed although undeclared ones are not", () => {
  const ports = [port(9, "AUTO", "PERMISSIVE"), port(8, "TCP", "STRICT")];
  assert.deepEqual(summary(ports, "STRICT"), ["tls_inspector not 15006", "http_inspector only 9"]);
});

test("no inspector looks at a port without mutual TLS whose protocol is known", () => {
  const ports = [port(8, "TCP", "DISABLE"), port(9, "HTTP", "DISABLE")];
  assert.deepEqual(summary(ports, "PERMISSIVE"), [
    "tls_inspector not 8,9,15006",
    "http_inspector not 8,9,15006",
  ]);
  assert.deepEqual(summary(ports, "DISABLE"), ["http_inspector not 8,9,15006"]);
});
