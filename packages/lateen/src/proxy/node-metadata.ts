/**
 * What a proxy says of itself in its node metadata (Istio's pkg/model/proxy.go, NodeMetadata). Foreign:
 * whoever reaches the xDS port can say anything. This is the only place that reads it. What has
 * another type than it should counts as not said, and is told as a finding; what is too large, or
 * could be taken for a part of a key, refuses the proxy. Nothing here throws.
 */
import {
  CAPABILITIES_KEY,
  LIVE_TCP_BYTES,
  TCP_BYTES_AT_CLOSE,
  TCP_BYTES_KEY,
  type TcpBytes,
} from "../base/compact-metrics.ts";
import { ownText } from "../base/own-text.ts";

export interface NodeMetadata {
  readonly namespace?: string;
  readonly name?: string;
  readonly serviceAccount?: string;
  readonly clusterId?: string;
  readonly network?: string;
  readonly nodeName?: string;
  readonly workloadName?: string;
  readonly istioVersion?: string;
  readonly interceptionMode?: string;
  /** What its bootstrap can do that not every one can (base/compact-metrics.ts). */
  readonly capabilities: readonly string[];
  readonly tcpBytes?: TcpBytes;
  /** Beside the one in the node id. */
  readonly instanceIps: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

export type DecodedNodeMetadata =
  | {
      readonly ok: true;
      readonly metadata: NodeMetadata;
      /** Field, what was found and what would be right; a few at most. */
      readonly findings: readonly string[];
    }
  | { readonly ok: false; readonly refused: string };

/** A DNS subdomain (RFC 1123) is the longest name that Kubernetes knows. */
const NAME_MAX_CHARS = 253;
/** Eight addresses of each family, as text. */
const ADDRESSES_MAX = 16;
const ADDRESSES_MAX_CHARS = 1024;
/** Kubernetes' labels: prefix, slash and name. */
const LABEL_KEY_MAX_CHARS = 317;
const LABEL_VALUE_MAX_CHARS = 256;
const LABELS_MAX = 512;
const LABELS_MAX_CHARS = 64 * 1024;
/** A bootstrap of a later version may name many that are not known here. */
const CAPABILITIES_MAX_CHARS = 4096;
const FINDINGS_MAX = 8;
const SHOWN_MAX_CHARS = 80;

/** Keys of the graph are joined of such texts by `|` and by control characters. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
const PART_OF_A_KEY = /[\u0000-\u001f\u007f|]/;
const ADDRESS = /^[0-9a-fA-F.:]{0,45}$/;

export function decodeNodeMetadata(
  metadata: Readonly<Record<string, unknown>>,
): DecodedNodeMetadata {
  const reader = new MetadataReader(metadata);
  const text = (key: string, maxChars = NAME_MAX_CHARS) => reader.text(key, maxChars);
  const tcpBytes = reader.oneOf(TCP_BYTES_KEY, [LIVE_TCP_BYTES, TCP_BYTES_AT_CLOSE]);
  const decoded: NodeMetadata = {
    ...said("namespace", text("NAMESPACE")),
    ...said("name", text("NAME")),
    ...said("serviceAccount", text("SERVICE_ACCOUNT")),
    ...said("clusterId", text("CLUSTER_ID")),
    ...said("network", text("NETWORK")),
    ...said("nodeName", text("NODE_NAME")),
    ...said("workloadName", text("WORKLOAD_NAME")),
    ...said("istioVersion", text("ISTIO_VERSION")),
    ...said("interceptionMode", text("INTERCEPTION_MODE")),
    ...said<"tcpBytes", TcpBytes>("tcpBytes", tcpBytes),
    capabilities: text(CAPABILITIES_KEY, CAPABILITIES_MAX_CHARS)?.split(",") ?? [],
    instanceIps: reader.addresses("INSTANCE_IPS"),
    labels: reader.labels("LABELS"),
  };
  const { refused, findings } = reader;
  return refused === undefined
    ? { ok: true, metadata: decoded, findings }
    : { ok: false, refused: `node metadata ${refused}` };
}

/** Whether it has the characters of an IP address; what else it may be, nothing depends on. */
export function isAddress(text: string): boolean {
  return ADDRESS.test(text);
}

/** Why a text of the node outside its metadata can not be taken, or undefined. */
export function unusableText(
  what: string,
  text: string,
  maxChars = NAME_MAX_CHARS,
): string | undefined {
  if (text.length > maxChars) return `${what} has ${text.length} characters, at most ${maxChars}`;
  if (!PART_OF_A_KEY.test(text)) return undefined;
  return `${what}: found ${shown(text)}, expected a name without "|" and control characters`;
}

function said<K extends string, V extends string>(
  key: K,
  value: V | undefined,
): { readonly [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]: V });
}

class MetadataReader {
  readonly findings: string[] = [];
  /** The first reason that the proxy can not be taken as it is. */
  refused: string | undefined;
  readonly #metadata: Readonly<Record<string, unknown>>;

  constructor(metadata: Readonly<Record<string, unknown>>) {
    this.#metadata = metadata;
  }

  text(key: string, maxChars: number): string | undefined {
    const value = this.#own(key);
    if (value === undefined) return undefined;
    if (typeof value !== "string") {
      this.#find(`${key}: found ${kindOf(value)}, expected text`);
      return undefined;
    }
    if (value.length > maxChars)
      this.refused ??= `${key} has ${value.length} characters, at most ${maxChars}`;
    this.refused ??= unusableText(key, ownText(value, maxChars), maxChars);
    return value;
  }

  oneOf<const T extends string>(key: string, values: readonly T[]): T | undefined {
    const value = this.text(key, NAME_MAX_CHARS);
    const known = values.find(each => each === value);
    if (value !== undefined && known === undefined)
      this.#find(`${key}: found ${shown(value)}, expected one of ${values.join(", ")}`);
    return known;
  }

  addresses(key: string): readonly string[] {
    const list = this.text(key, ADDRESSES_MAX_CHARS)?.split(",") ?? [];
    const addresses = list.map(each => each.trim()).filter(each => each !== "");
    if (!addresses.every(isAddress)) this.refused ??= `${key}: expected IP addresses and commas`;
    if (addresses.length > ADDRESSES_MAX)
      this.refused ??= `${key} has ${addresses.length} addresses, at most ${ADDRESSES_MAX}`;
    return addresses;
  }

  labels(key: string): Readonly<Record<string, string>> {
    const value = this.#own(key);
    if (value === undefined) return {};
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      this.#find(`${key}: found ${kindOf(value)}, expected labels`);
      return {};
    }
    const entries = Object.entries(value);
    const labels: [string, string][] = [];
    let chars = 0;
    for (const [name, each] of entries) {
      if (typeof each === "string") labels.push([name, each]);
      else
        this.#find(
          `${key}.${ownText(name, SHOWN_MAX_CHARS)}: found ${kindOf(each)}, expected text`,
        );
      chars += name.length + (typeof each === "string" ? each.length : 0);
      this.#checkLabel(key, name, typeof each === "string" ? each : "");
    }
    if (entries.length > LABELS_MAX)
      this.refused ??= `${key} has ${entries.length} labels, at most ${LABELS_MAX}`;
    if (chars > LABELS_MAX_CHARS)
      this.refused ??= `${key} has ${chars} characters, at most ${LABELS_MAX_CHARS}`;
    return Object.fromEntries(labels);
  }

  #checkLabel(key: string, name: string, value: string): void {
    if (name.length > LABEL_KEY_MAX_CHARS)
      this.refused ??= `${key} has a key of ${name.length} characters, at most ${LABEL_KEY_MAX_CHARS}`;
    if (value.length > LABEL_VALUE_MAX_CHARS)
      this.refused ??= `${key}.${ownText(name, SHOWN_MAX_CHARS)} has ${value.length} characters, at most ${LABEL_VALUE_MAX_CHARS}`;
  }

  #find(finding: string): void {
    if (this.findings.length < FINDINGS_MAX) this.findings.push(`node metadata ${finding}`);
  }

  #own(key: string): unknown {
    const value = Object.hasOwn(this.#metadata, key) ? this.#metadata[key] : undefined;
    return value === null ? undefined : value;
  }
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  return value === null ? "null" : `a ${typeof value}`;
}

function shown(text: string): string {
  return JSON.stringify(ownText(text, SHOWN_MAX_CHARS));
}
