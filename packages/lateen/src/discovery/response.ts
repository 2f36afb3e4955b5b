import { encodeMessage } from "@lateen/envoy-api/any.js";
import {
  DeltaDiscoveryResponse,
  DiscoveryResponse,
} from "@lateen/envoy-api/envoy/service/discovery/v3/discovery.js";
import type { Resource } from "./types.ts";

/** An encoded response: a small head of its own, then the shared bytes of the resources. */
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

export function encodeDelta(
  head: ResponseHead,
  resources: readonly Resource[],
  removed: readonly string[],
): EncodedResponse {
  const first = encodeMessage(DeltaDiscoveryResponse, {
    systemVersionInfo: head.version,
    typeUrl: head.type,
    nonce: head.nonce,
    removedResources: [...removed],
    controlPlane: controlPlane(head),
  });
  return assemble(
    first,
    resources.map(resource => resource.deltaField),
  );
}

export function encodeSotw(head: ResponseHead, resources: readonly Resource[]): EncodedResponse {
  const first = encodeMessage(DiscoveryResponse, {
    versionInfo: head.version,
    typeUrl: head.type,
    nonce: head.nonce,
    controlPlane: controlPlane(head),
  });
  return assemble(
    first,
    resources.map(resource => resource.sotwField),
  );
}

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

function assemble(first: Uint8Array, fields: readonly Uint8Array[]): EncodedResponse {
  let bytes = first.length;
  for (const field of fields) bytes += field.length;
  return { parts: [first, ...fields], bytes };
}
