/**
 * Codes and levels of messages in `status.validationMessages` (Istio, "Configuration Analysis
 * Messages"). What Istio has no message for has codes of our own.
 */
import { type Diagnostic, messageOf } from "../base/diagnostic.ts";

export interface MessageType {
  readonly code: string;
  readonly name: string;
}

const SCHEMA_ERROR: MessageType = { code: "IST0106", name: "SchemaValidationError" };
const SCHEMA_WARNING: MessageType = { code: "IST0133", name: "SchemaWarning" };
export const REJECTED: MessageType = { code: "LAT0001", name: "RejectedByEnvoy" };

/** By the reason of a warning. */
const WARNINGS: ReadonlyMap<string, MessageType> = new Map(
  Object.entries({
    NotCarriedOut: "LAT0002",
    ConflictingDestinationRules: "LAT0003",
    HostTaken: "LAT0004",
    PortTaken: "LAT0005",
    ReferencedResourceNotFound: "IST0101",
    ConflictingMeshGatewayVirtualServiceHosts: "IST0109",
    MultipleSidecarsWithoutWorkloadSelectors: "IST0111",
    VirtualServiceDestinationPortSelectorRequired: "IST0112",
    NoMatchingWorkloadsFound: "IST0127",
    VirtualServiceHostNotFoundInGateway: "IST0132",
    ConflictingGateways: "IST0145",
    GatewayPortNotDefinedOnService: "IST0162",
    UnknownDestinationRuleHost: "IST0174",
  }).map(([name, code]) => [name, { code, name }]),
);

export function messageType({ severity, reason }: Diagnostic): MessageType {
  if (severity === "error") return SCHEMA_ERROR;
  if (reason === "Unreachable") return { code: "IST0130", name: "VirtualServiceUnreachableRule" };
  return WARNINGS.get(reason) ?? SCHEMA_WARNING;
}

/** undefined for codes of our own. */
export function documentationUrl({ code }: MessageType): string | undefined {
  if (!code.startsWith("IST")) return undefined;
  return `https://istio.io/latest/docs/reference/config/analysis/${code.toLowerCase()}/`;
}

/** `spec.http[0].route: found ...`. */
export function diagnosticText(diagnostic: Diagnostic): string {
  const { path } = diagnostic;
  return path === "" ? messageOf(diagnostic) : `${path}: ${messageOf(diagnostic)}`;
}

/** Cut at the end of a text where possible. */
export function joinTexts(texts: readonly string[], maxChars: number): string {
  let joined = "";
  for (const [i, text] of texts.entries()) {
    const next = i === 0 ? text : `${joined}; ${text}`;
    if (next.length > maxChars) {
      const rest = texts.length - i;
      return i === 0 ? `${text.slice(0, maxChars)}...` : `${joined}; and ${rest} more`;
    }
    joined = next;
  }
  return joined;
}

export function countText(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
