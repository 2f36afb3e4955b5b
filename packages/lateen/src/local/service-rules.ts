/** One port of one service address, with the endpoints that take its connections. */
export interface ServiceRule {
  readonly address: string;
  readonly protocol: "tcp" | "udp";
  readonly port: number;
  readonly endpoints: readonly { readonly address: string; readonly port: number }[];
}

const HAIRPIN_MARK = "0x4000";
const MAX_ENDPOINTS = 1000;

/**
 * The node's service rules as one nft transaction that replaces the table as a whole: connections
 * to a service address go to a random endpoint. A pod that reaches itself is masqueraded, or it
 * would answer itself directly. An address and port without endpoints refuses connections, because
 * the node has the service addresses as its own (see the node's route of type local).
 */
export function serviceRules(rules: readonly ServiceRule[]): string {
  const served = rules.filter(rule => rule.endpoints.length > 0);
  const chains = served.map((rule, i) => serviceChains(rule, `svc${i}`));
  const elements = served.map(
    (rule, i) => `${rule.address} . ${rule.protocol} . ${rule.port} : goto svc${i}`,
  );
  return [
    "table ip lateen",
    "delete table ip lateen",
    "table ip lateen {",
    ...chains.flat(),
    "  map services {",
    "    type ipv4_addr . inet_proto . inet_service : verdict",
    ...(elements.length === 0 ? [] : [`    elements = { ${elements.join(", ")} }`]),
    "  }",
    "  chain prerouting {",
    "    type nat hook prerouting priority dstnat; policy accept;",
    "    ip daddr . meta l4proto . th dport vmap @services",
    "  }",
    "  chain postrouting {",
    "    type nat hook postrouting priority srcnat; policy accept;",
    `    meta mark ${HAIRPIN_MARK} masquerade`,
    "  }",
    "}",
    "",
  ].join("\n");
}

function serviceChains(rule: ServiceRule, name: string): string[] {
  const endpoints = rule.endpoints.slice(0, MAX_ENDPOINTS);
  const choices = endpoints.map((_, i) => `${i} : goto ${name}e${i}`).join(", ");
  return [
    ...endpoints.flatMap(({ address, port }, i) => [
      `  chain ${name}e${i} {`,
      `    ip saddr ${address} meta mark set ${HAIRPIN_MARK}`,
      `    meta l4proto ${rule.protocol} dnat to ${address}:${port}`,
      "  }",
    ]),
    `  chain ${name} {`,
    `    numgen random mod ${endpoints.length} vmap { ${choices} }`,
    "  }",
  ];
}
