import { Buffer } from "node:buffer";

/**
 * Deep structural equality of rows: the default cut-off of every collection and cell.
 *
 * Compares plain objects, arrays, `Map`, `Set`, `Date` and typed arrays by content; functions and
 * instances of classes by identity, because their private state can not be seen. Order counts
 * everywhere, also of object fields, map entries and set members: whoever reads a row can see it,
 * and two rows that are "equal" must be interchangeable down to the last byte made of them. An
 * answer of `false` for look-alikes costs a recomputation; a wrong `true` would be stale data.
 *
 * Values must be acyclic, as rows are.
 */
export function deepEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object") return isNaNPair(a, b);
  if (a === null || b === null) return false;
  const prototype: unknown = Object.getPrototypeOf(a);
  if (prototype !== Object.getPrototypeOf(b)) return false;
  if (Array.isArray(a)) return Array.isArray(b) && equalArrays(a, b);
  if (isRecord(a)) return isRecord(b) && equalFields(a, b);
  if (a instanceof Map) return b instanceof Map && equalMaps(a, b);
  if (a instanceof Set) return b instanceof Set && equalSets(a, b);
  if (ArrayBuffer.isView(a)) return ArrayBuffer.isView(b) && equalBytes(a, b);
  if (a instanceof Date) return b instanceof Date && a.getTime() === b.getTime();
  return false;
}

function isNaNPair(a: unknown, b: unknown): boolean {
  return typeof a === "number" && typeof b === "number" && Number.isNaN(a) && Number.isNaN(b);
}

function equalArrays(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!deepEqual(a[i], b[i])) return false;
  return true;
}

type Fields = Readonly<Record<string, unknown>>;

function isRecord(value: object): value is Fields {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function equalFields(a: Fields, b: Fields): boolean {
  const names = Object.keys(a);
  const namesOfB = Object.keys(b);
  if (names.length !== namesOfB.length) return false;
  for (const [i, name] of names.entries()) {
    if (name !== namesOfB[i] || !deepEqual(a[name], b[name])) return false;
  }
  return true;
}

function equalMaps(a: ReadonlyMap<unknown, unknown>, b: ReadonlyMap<unknown, unknown>): boolean {
  if (a.size !== b.size) return false;
  const entriesOfB = b.entries();
  for (const [key, value] of a) {
    const other = entriesOfB.next().value;
    if (other === undefined || !deepEqual(key, other[0]) || !deepEqual(value, other[1])) {
      return false;
    }
  }
  return true;
}

function equalSets(a: ReadonlySet<unknown>, b: ReadonlySet<unknown>): boolean {
  if (a.size !== b.size) return false;
  const membersOfB = b.values();
  for (const member of a) if (!deepEqual(member, membersOfB.next().value)) return false;
  return true;
}

function equalBytes(a: ArrayBufferView, b: ArrayBufferView): boolean {
  if (a.byteLength !== b.byteLength) return false;
  return Buffer.compare(bytesOf(a), bytesOf(b)) === 0;
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}
