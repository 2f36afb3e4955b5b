import assert from "node:assert/strict";
import { test } from "node:test";
import { serviceRules } from "./service-rules.ts";

test("a service's rules: a random endpoint, hairpin marked, no endpoint no rule", () => {
  const text = serviceRules([
    {
      address: "10.244.129.1",
      protocol: "tcp",
      port: 80,
      endpoints: [
        { address: "10.244.0.10", port: 8080 },
        { address: "10.244.0.11", port: 8080 },
      ],
    },
    { address: "10.244.129.2", protocol: "udp", port: 53, endpoints: [] },
  ]);
  assert.equal(
    text,
    `table ip lateen
delete table ip lateen
table ip lateen {
  chain svc0e0 {
    ip saddr 10.244.0.10 meta mark set 0x4000
    meta l4proto tcp dnat to 10.244.0.10:8080
  }
  chain svc0e1 {
    ip saddr 10.244.0.11 meta mark set 0x4000
    meta l4proto tcp dnat to 10.244.0.11:8080
  }
  chain svc0 {
    numgen random mod 2 vmap { 0 : goto svc0e0, 1 : goto svc0e1 }
  }
  map services {
    type ipv4_addr . inet_proto . inet_service : verdict
    elements = { 10.244.129.1 . tcp . 80 : goto svc0 }
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    ip daddr . meta l4proto . th dport vmap @services
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    meta mark 0x4000 masquerade
  }
}
`,
  );
  assert.doesNotMatch(serviceRules([]), /elements/);
});
