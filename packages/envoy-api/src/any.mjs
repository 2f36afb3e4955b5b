const prefix = "type.googleapis.com/";

export function typeUrl(codec) {
  return prefix + codec.$type;
}

export function pack(codec, message) {
  return { typeUrl: prefix + codec.$type, value: codec.encode(message).finish() };
}

export function unpack(codec, any) {
  const url = any.typeUrl ?? "";
  // The host in front of the name has no meaning, so only the name is compared.
  if (url.slice(url.lastIndexOf("/") + 1) !== codec.$type) {
    return undefined;
  }
  return codec.decode(any.value ?? new Uint8Array(0));
}
