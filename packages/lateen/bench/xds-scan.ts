/**
 * Reads from xDS bytes only what a simulated proxy needs, without decoding the rest: the client of a
 * load test shares its machine with the server that is measured.
 */

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

/** Calls `visit` with number, start and end of each length-delimited field; varints have end = -1. */
export function scan(
  bytes: Buffer,
  start: number,
  end: number,
  visit: (field: number, from: number, to: number) => void,
): void {
  let at = start;
  while (at < end) {
    const tag = varint(bytes, at);
    at += varintLength(bytes, at);
    const wire = tag & 7;
    if (wire === VARINT) {
      visit(tag >>> 3, varint(bytes, at), -1);
      at += varintLength(bytes, at);
    } else if (wire === BYTES) {
      const length = varint(bytes, at);
      at += varintLength(bytes, at);
      visit(tag >>> 3, at, at + length);
      at += length;
    } else if (wire === FIXED64 || wire === FIXED32) {
      at += wire === FIXED64 ? 8 : 4;
    } else {
      throw new Error(`wire type ${wire} at ${at}`);
    }
  }
}

function varint(bytes: Buffer, at: number): number {
  let value = 0;
  for (let i = 0, shift = 1; i < 10; i++, shift *= 128) {
    const byte = bytes[at + i] ?? 0;
    value += (byte & 0x7f) * shift;
    if (byte < 0x80) return value;
  }
  throw new Error(`varint at ${at} is too long`);
}

function varintLength(bytes: Buffer, at: number): number {
  let length = 1;
  while ((bytes[at + length - 1] ?? 0) >= 0x80) length++;
  return length;
}

export interface ScannedResponse {
  type: string;
  nonce: string;
  removed: string[];
  resources: number;
}

export interface ScannedResource {
  readonly name: string;
  readonly version: string;
  /** Where the message itself lies. */
  readonly from: number;
  readonly to: number;
}

/** A DeltaDiscoveryResponse; `onResource` gets each resource in order. */
export function scanResponse(
  bytes: Buffer,
  text: (from: number, to: number) => string,
  onResource: (type: string, resource: ScannedResource) => void,
): ScannedResponse {
  const response: ScannedResponse = { type: "", nonce: "", removed: [], resources: 0 };
  const spans: number[] = [];
  scan(bytes, 0, bytes.length, (field, from, to) => {
    if (field === 2) spans.push(from, to);
    else if (field === 4) response.type = text(from, to);
    else if (field === 5) response.nonce = bytes.toString("latin1", from, to);
    else if (field === 6) response.removed.push(text(from, to));
  });
  response.resources = spans.length / 2;
  for (let i = 0; i < spans.length; i += 2) {
    const resource = { name: "", version: "", from: 0, to: 0 };
    scan(bytes, spans[i] ?? 0, spans[i + 1] ?? 0, (field, from, to) => {
      if (field === 3) resource.name = text(from, to);
      else if (field === 1) resource.version = bytes.toString("latin1", from, to);
      else if (field === 2)
        scan(bytes, from, to, (part, a, b) => {
          if (part !== 2) return;
          resource.from = a;
          resource.to = b;
        });
    });
    onResource(response.type, resource);
  }
  return response;
}

/** Cluster: true when its endpoints come by EDS (`type: EDS`). */
export function clusterUsesEds(bytes: Buffer, from: number, to: number): boolean {
  let eds = false;
  scan(bytes, from, to, (field, value, end) => {
    if (field === 2 && end === -1) eds = value === 3;
  });
  return eds;
}

/** Listener: calls `found` with the span of each RDS route name in its connection managers. */
export function listenerRoutes(
  bytes: Buffer,
  from: number,
  to: number,
  found: (from: number, to: number) => void,
): void {
  scan(bytes, from, to, (field, chainFrom, chainTo) => {
    // filter_chains and default_filter_chain
    if (field !== 3 && field !== 25) return;
    scan(bytes, chainFrom, chainTo, (chainField, filterFrom, filterTo) => {
      if (chainField !== 3) return;
      filterRoutes(bytes, filterFrom, filterTo, found);
    });
  });
}

const managerType = "HttpConnectionManager";

function filterRoutes(
  bytes: Buffer,
  from: number,
  to: number,
  found: (from: number, to: number) => void,
): void {
  scan(bytes, from, to, (field, anyFrom, anyTo) => {
    if (field !== 4) return;
    let isManager = false;
    scan(bytes, anyFrom, anyTo, (anyField, a, b) => {
      if (anyField === 1)
        isManager = bytes.toString("latin1", b - managerType.length, b) === managerType;
      if (anyField !== 2 || !isManager) return;
      scan(bytes, a, b, (managerField, rdsFrom, rdsTo) => {
        if (managerField !== 3) return;
        scan(bytes, rdsFrom, rdsTo, (rdsField, x, y) => {
          if (rdsField === 2) found(x, y);
        });
      });
    });
  });
}

/** RouteConfiguration: true when its virtual hosts come one at a time (`vhds`). */
export function routeUsesVhds(bytes: Buffer, from: number, to: number): boolean {
  let vhds = false;
  scan(bytes, from, to, (field, _a, end) => {
    if (field === 9 && end !== -1) vhds = true;
  });
  return vhds;
}
