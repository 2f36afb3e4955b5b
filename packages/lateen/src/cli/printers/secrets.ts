/** `proxy-config secret`: features row 23. */
import { X509Certificate } from "node:crypto";
import { DISCOVERY_SECRETS } from "../../proxy/xds-cluster.ts";
import { renderTable } from "../tabwriter.ts";
import type { ConfigDump, DataSource, SecretEntry } from "./config-dump.ts";

export function secretTable(dump: ConfigDump, nowMs: number): string {
  const rows = [
    ...workloadSecrets(dump.warmingSecrets).map(entry => secretRow(entry, "WARMING", nowMs)),
    ...workloadSecrets(dump.activeSecrets).map(entry => secretRow(entry, stateOf(entry), nowMs)),
  ];
  if (rows.length === 0) return "No secret items to show.\n";
  const header = [
    "RESOURCE NAME",
    "TYPE",
    "STATUS",
    "VALID CERT",
    "SERIAL NUMBER",
    "NOT AFTER",
    "NOT BEFORE",
  ];
  return renderTable([header, ...rows], { padding: 5 });
}

/** Without those that Envoy reaches the control plane with, which come from files of the pod. */
export function workloadSecrets(entries: readonly SecretEntry[]): SecretEntry[] {
  return entries.filter(entry => !DISCOVERY_SECRETS.includes(entry.name ?? ""));
}

/** Envoy has subscribed and got nothing yet. */
function stateOf(entry: SecretEntry): string {
  return entry.version_info === "uninitialized" ? "UNINITIALIZED" : "ACTIVE";
}

function secretRow(entry: SecretEntry, status: string, nowMs: number): string[] {
  const secret = entry.secret;
  const isCa = secret?.validation_context !== undefined;
  const source = isCa
    ? secret?.validation_context?.trusted_ca
    : secret?.tls_certificate?.certificate_chain;
  const name = entry.name ?? secret?.name ?? "";
  const certificate = firstCertificate(source);
  if (certificate === undefined) return [name, isCa ? "CA" : "", status, "false", "", "", ""];
  const notBefore = Date.parse(certificate.validFrom);
  const notAfter = Date.parse(certificate.validTo);
  return [
    name,
    isCa ? "CA" : "Cert Chain",
    status,
    String(notBefore <= nowMs && nowMs <= notAfter),
    certificate.serialNumber.toLowerCase().replace(/^0+(?=.)/, ""),
    rfc3339(notAfter),
    rfc3339(notBefore),
  ];
}

function rfc3339(ms: number): string {
  return new Date(ms).toISOString().replace(".000Z", "Z");
}

function firstCertificate(source: DataSource | undefined): X509Certificate | undefined {
  const pem = textOf(source);
  if (pem === undefined) return undefined;
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

function textOf(source: DataSource | undefined): string | undefined {
  if (source?.inline_bytes === undefined) return source?.inline_string;
  return source.inline_string ?? Buffer.from(source.inline_bytes, "base64").toString("utf8");
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** Every root that Envoy believes workloads by, as a fingerprint. */
export function rootCertificates(dump: ConfigDump): string[] {
  const ca = dump.activeSecrets.find(entry => entry.name === "ROOTCA");
  const text = textOf(ca?.secret?.validation_context?.trusted_ca);
  return (text?.match(CERTIFICATE) ?? []).map(pem => new X509Certificate(pem).fingerprint256);
}
