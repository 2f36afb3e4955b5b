const V6_GROUPS = 8;
const V6_NETWORK_GROUPS = 4;

/**
 * Whose account something is on while nothing but the address is known: an IPv4 address, or the /64 of
 * an IPv6 one, as whoever has one address of it has all of them.
 */
export function ownerByAddress(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/, "");
  if (!plain.includes(":")) return plain;
  const [head = "", tail] = plain.replace(/%.*$/, "").split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : Math.max(0, V6_GROUPS - before.length - after.length);
  const groups = [...before, ...Array<string>(zeros).fill("0"), ...after];
  return `${groups.slice(0, V6_NETWORK_GROUPS).join(":")}::/64`;
}
