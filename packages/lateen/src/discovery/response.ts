import { encodeMessage } from "@lateen/envoy-api/any.js";
import {
  DeltaDiscoveryResponse,
  DiscoveryResponse,
} from "@lateen/envoy-api/envoy/service/discovery/v3/discovery.js";
import { assert } from "../base/assert.ts";
import type { Body } from "./shared-bodies.ts";
import type { Resource } from "./types.ts";

/** An encoded response: a small head of its own, then what it shares with others. */
export interface EncodedResponse {
  readonly parts: readonly Uint8Array[];
  readonly bytes: number;
}

export interface ResponseHead {
  readonly type: string;
  readonly nonce: string;
  /** `system_version_info` or `version_info`. */
  readonly version: string;
  /** `control_plane.identifier`; empty leaves it out. */
  readonly controlPlane: string;
}

/** Numbers of the field `nonce`. */
const DELTA_NONCE = 5;
const SOTW_NONCE = 5;

export function encodeDelta(
  head: ResponseHead,
  body: Body,
  removed: readonly string[],
): EncodedResponse {
  const common = deltaHeads.of(head);
  if (removed.length === 0) return assemble(common, DELTA_NONCE, head.nonce, body);
  const names = encodeMessage(DeltaDiscoveryResponse, { removedResources: [...removed] });
  return assemble(Buffer.concat([common, names]), DELTA_NONCE, head.nonce, body);
}

export function encodeSotw(head: ResponseHead, body: Body): EncodedResponse {
  return assemble(sotwHeads.of(head), SOTW_NONCE, head.nonce, body);
}

/** All of a head but its nonce: one change has the same for all streams. */
class Heads {
  readonly #encode: (head: ResponseHead) => Uint8Array;
  #last: { readonly head: ResponseHead; readonly bytes: Uint8Array } | undefined;

  constructor(encode: (head: ResponseHead) => Uint8Array) {
    this.#encode = encode;
  }

  of(head: ResponseHead): Uint8Array {
    const last = this.#last;
    const isLast =
      last?.head.type === head.type &&
      last.head.version === head.version &&
      last.head.controlPlane === head.controlPlane;
    if (last !== undefined && isLast) return last.bytes;
    const bytes = this.#encode(head);
    this.#last = { head, bytes };
    return bytes;
  }
}

const deltaHeads = new Heads(head =>
  encodeMessage(DeltaDiscoveryResponse, {
    systemVersionInfo: head.version,
    typeUrl: head.type,
    controlPlane: controlPlane(head),
  }),
);

const sotwHeads = new Heads(head =>
  encodeMessage(DiscoveryResponse, {
    versionInfo: head.version,
    typeUrl: head.type,
    controlPlane: controlPlane(head),
  }),
);

/** The version of what is not there. */
export const absentVersion = "absent";

/**
 * A delta resource without a body. A request that Envoy's on_demand filter holds waits for a
 * resource with the alias that it asked for; a removal leaves it waiting ("Virtual Host Discovery
 * Service" in Envoy's documentation).
 */
export function absentResource(type: string, name: string): Resource {
  const resources = [{ name, version: absentVersion, aliases: [name] }];
  const deltaField = encodeMessage(DeltaDiscoveryResponse, { resources });
  return { type, name, version: absentVersion, deltaField, sotwField: new Uint8Array() };
}

function controlPlane(head: ResponseHead): { identifier: string } | undefined {
  return head.controlPlane === "" ? undefined : { identifier: head.controlPlane };
}

const LENGTH_DELIMITED = 2;
/** So long a length is one byte; nonces are shorter by far. */
const SHORT_MAX = 0x7f;

function assemble(common: Uint8Array, field: number, nonce: string, body: Body): EncodedResponse {
  assert(nonce.length <= SHORT_MAX, `a nonce of ${nonce.length} characters`);
  const first = Buffer.allocUnsafe(common.length + 2 + nonce.length);
  first.set(common);
  first[common.length] = field * 8 + LENGTH_DELIMITED;
  first[common.length + 1] = nonce.length;
  first.write(nonce, common.length + 2, "latin1");
  return { parts: [first, ...body.blocks], bytes: first.length + body.bytes };
}
