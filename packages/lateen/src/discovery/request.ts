import type { Node as NodeMessage } from "@lateen/envoy-api/envoy/config/core/v3/base.js";
import {
  DeltaDiscoveryRequest,
  DiscoveryRequest,
} from "@lateen/envoy-api/envoy/service/discovery/v3/discovery.js";
import { ownText } from "../base/own-text.ts";
import { GrpcStatus, type StreamEnd, type StreamLimits } from "./limits.ts";
import { RequestTooLarge, takeNode } from "./node-bytes.ts";
import type { Node } from "./types.ts";

/** A request of either form, decoded and within limits. */
export interface Request {
  readonly node: Node | undefined;
  readonly type: string;
  /** Empty in the first request for a type. */
  readonly nonce: string;
  /** Set in a rejection (NACK): what the client found wrong. */
  readonly rejection: string | undefined;
  /** Delta: names to add. State of the world: all names. */
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
  /** Delta: what the client already has, by name. */
  readonly initialVersions: ReadonlyMap<string, string>;
  /** State of the world: the version that the client last accepted. */
  readonly versionInfo: string;
}

export type Decoded =
  | { readonly ok: true; readonly request: Request }
  | { readonly ok: false; readonly end: StreamEnd };

/** A client's message about a rejection is kept up to this length. */
const REJECTION_MAX_CHARS = 4096;

/** `namesMax` is asked where there are more names than anybody may have. */
export function decodeRequest(
  form: "delta" | "sotw",
  message: Uint8Array,
  limits: StreamLimits,
  namesMax: () => number = () => limits.namesPerTypeMax,
): Decoded {
  // Somewhat too many are told by their type, and exactly.
  const timesMax = (): number => 2 * namesMax();
  let request: Request;
  try {
    request =
      form === "delta" ? fromDelta(message, limits, timesMax) : fromSotw(message, limits, timesMax);
  } catch (error) {
    if (error instanceof RequestTooLarge)
      return { ok: false, end: { code: GrpcStatus.resourceExhausted, message: error.message } };
    const reason = error instanceof Error ? error.message : String(error);
    const what = form === "delta" ? "DeltaDiscoveryRequest" : "DiscoveryRequest";
    return invalid(`the message is not a ${what}: ${reason}`);
  }
  const problem = violation(request, limits, namesMax);
  return problem === undefined ? { ok: true, request } : { ok: false, end: problem };
}

/** Numbers of the field `node`. */
const DELTA_NODE = 1;
const SOTW_NODE = 2;

function fromDelta(message: Uint8Array, limits: StreamLimits, timesMax: () => number): Request {
  const { rest, node } = takeNode(message, DELTA_NODE, limits, timesMax);
  const raw = DeltaDiscoveryRequest.decode(rest);
  if ((raw.resourceLocatorsSubscribe ?? []).length > 0)
    throw new Error("resource_locators_subscribe is not supported; use resource_names_subscribe");
  return {
    node: node && nodeOf(node),
    type: raw.typeUrl ?? "",
    nonce: raw.responseNonce ?? "",
    rejection: rejectionOf(raw.errorDetail?.message, raw.errorDetail !== undefined),
    subscribe: raw.resourceNamesSubscribe ?? [],
    unsubscribe: raw.resourceNamesUnsubscribe ?? [],
    initialVersions: versionsOf(raw.initialResourceVersions),
    versionInfo: "",
  };
}

const noVersions: ReadonlyMap<string, string> = new Map();

function versionsOf(raw: Record<string, string> | undefined): ReadonlyMap<string, string> {
  const entries = Object.entries(raw ?? {});
  return entries.length === 0 ? noVersions : new Map(entries);
}

function fromSotw(message: Uint8Array, limits: StreamLimits, timesMax: () => number): Request {
  const { rest, node } = takeNode(message, SOTW_NODE, limits, timesMax);
  const raw = DiscoveryRequest.decode(rest);
  if ((raw.resourceLocators ?? []).length > 0)
    throw new Error("resource_locators is not supported; use resource_names");
  return {
    node: node && nodeOf(node),
    type: raw.typeUrl ?? "",
    nonce: raw.responseNonce ?? "",
    rejection: rejectionOf(raw.errorDetail?.message, raw.errorDetail !== undefined),
    subscribe: raw.resourceNames ?? [],
    unsubscribe: [],
    initialVersions: noVersions,
    versionInfo: raw.versionInfo ?? "",
  };
}

function rejectionOf(message: string | undefined, present: boolean): string | undefined {
  return present ? ownText(message ?? "", REJECTION_MAX_CHARS) : undefined;
}

function nodeOf(raw: NodeMessage): Node {
  const build = raw.userAgentBuildVersion?.version;
  const buildVersion =
    build === undefined ? "" : `${build.majorNumber}.${build.minorNumber}.${build.patch}`;
  return {
    id: raw.id ?? "",
    cluster: raw.cluster ?? "",
    userAgentName: raw.userAgentName ?? "",
    userAgentVersion: raw.userAgentVersion ?? buildVersion,
    metadata: raw.metadata ?? {},
    locality: {
      region: raw.locality?.region ?? "",
      zone: raw.locality?.zone ?? "",
      subZone: raw.locality?.subZone ?? "",
    },
  };
}

/** What a stream may not ask for, though it can be decoded. */
export function violation(
  request: Request,
  limits: StreamLimits,
  namesMax: () => number,
): StreamEnd | undefined {
  const max = limits.nameLengthMax;
  if (request.type === "") return end("type_url is empty; every request on an ADS stream needs it");
  const short: readonly (readonly [string, string])[] = [
    ["type_url", request.type],
    ["response_nonce", request.nonce],
    ["version_info", request.versionInfo],
    ["node.id", request.node?.id ?? ""],
    ["node.cluster", request.node?.cluster ?? ""],
  ];
  for (const [field, value] of short) {
    if (value.length > max) return end(`${field} has ${value.length} characters, at most ${max}`);
  }
  const { subscribe, unsubscribe, initialVersions } = request;
  const known = initialVersions.size === 0 ? [] : [...initialVersions.keys()];
  for (const names of [subscribe, unsubscribe, known]) {
    if (names.length > limits.namesPerTypeMax && names.length > namesMax())
      return tooManyNames(request.type, names.length, namesMax());
    const long = names.find(name => name.length > max);
    if (long !== undefined)
      return end(`a resource name has ${long.length} characters, at most ${max}`);
  }
  return undefined;
}

export function tooManyNames(type: string, found: number, max: number): StreamEnd {
  const message = `${found} resource names of ${type}, at most ${max} on a stream`;
  return { code: GrpcStatus.resourceExhausted, message };
}

function end(message: string): StreamEnd {
  return { code: GrpcStatus.invalidArgument, message };
}

function invalid(message: string): Decoded {
  return { ok: false, end: end(message) };
}
