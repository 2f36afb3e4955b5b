/** JSON that is written, not read: undefined members are left out when it is printed. */
export type JsonOut =
  | null
  | boolean
  | number
  | string
  | undefined
  | readonly JsonOut[]
  | { readonly [key: string]: JsonOut };

export type JsonOutObject = { readonly [key: string]: JsonOut };

/** An Envoy extension: `{name, typed_config: {"@type": ..., ...}}`. */
export function extension(name: string, type: string, config: JsonOutObject = {}): JsonOutObject {
  return { name, typed_config: { "@type": `type.googleapis.com/${type}`, ...config } };
}

export function socketAddress(address: string, port: number): JsonOutObject {
  return { socket_address: { address, port_value: port } };
}

/** `10.0.0.1` and `fd00::1`, but no host name: decides STATIC or STRICT_DNS. */
export function isIpAddress(host: string): boolean {
  return (
    /^\d{1,3}(\.\d{1,3}){3}$/.test(host) || (host.includes(":") && /^[0-9a-fA-F:.]+$/.test(host))
  );
}
