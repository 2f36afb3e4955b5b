/**
 * TLS contexts of clusters and filter chains. Certificates come over SDS on the aggregated stream;
 * nothing here ever holds a key.
 */
import { isIP } from "node:net";
import type { TransportSocket } from "@lateen/envoy-api/envoy/config/core/v3/base.js";
import { RawBuffer } from "@lateen/envoy-api/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.js";
import type {
  CertificateValidationContext,
  SubjectAltNameMatcher,
  TlsParameters,
} from "@lateen/envoy-api/envoy/extensions/transport_sockets/tls/v3/common.js";
import {
  SubjectAltNameMatcher_SanType,
  TlsParameters_TlsProtocol,
} from "@lateen/envoy-api/envoy/extensions/transport_sockets/tls/v3/common.js";
import type { SdsSecretConfig } from "@lateen/envoy-api/envoy/extensions/transport_sockets/tls/v3/secret.js";
import {
  type CommonTlsContext,
  DownstreamTlsContext,
  UpstreamTlsContext,
} from "@lateen/envoy-api/envoy/extensions/transport_sockets/tls/v3/tls.js";
import type { ClientTls } from "../model/types.ts";
import { ADS, ADS_WITH_TIMEOUT, extension } from "./message.ts";
import {
  credentialRootSecretName,
  credentialSecretName,
  fileCertificateName,
  fileRootName,
  IDENTITY_SECRET,
  ROOT_SECRET,
  SYSTEM_ROOT_SECRET,
} from "./names.ts";

const TLS_SOCKET = "envoy.transport_sockets.tls";

/** Between proxies. Without the maximum, Envoy as a client would stay at TLS 1.2. */
const MESH_CLIENT_PARAMS: TlsParameters = {
  tlsMinimumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_2,
  tlsMaximumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_3,
};

const MESH_SERVER_PARAMS: TlsParameters = {
  ...MESH_CLIENT_PARAMS,
  cipherSuites: [
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
  ],
};

export const PLAINTEXT_SOCKET: TransportSocket = extension(
  "envoy.transport_sockets.raw_buffer",
  RawBuffer,
  {},
);

/** Mutual TLS with the workload's own identity towards one of `spiffeIds` (any, when empty). */
export function meshClientSocket(
  sni: string,
  spiffeIds: readonly string[],
  alpn: readonly string[],
): TransportSocket {
  return upstream({
    sni,
    commonTlsContext: {
      tlsParams: MESH_CLIENT_PARAMS,
      tlsCertificateSdsSecretConfigs: [meshSecret(IDENTITY_SECRET)],
      combinedValidationContext: {
        defaultValidationContext: exactNames(spiffeIds),
        validationContextSdsSecretConfig: meshSecret(ROOT_SECRET),
      },
      alpnProtocols: [...alpn],
    },
  });
}

/** Mutual TLS for the proxies of the mesh, whose SPIFFE ids must be of one of `trustDomains`. */
export function meshServerSocket(
  trustDomains: readonly string[],
  alpn: readonly string[],
): TransportSocket {
  return downstream({
    requireClientCertificate: true,
    commonTlsContext: {
      tlsParams: MESH_SERVER_PARAMS,
      tlsCertificateSdsSecretConfigs: [meshSecret(IDENTITY_SECRET)],
      combinedValidationContext: {
        defaultValidationContext: {
          matchTypedSubjectAltNames: trustDomains.map(domain => ({
            sanType: SubjectAltNameMatcher_SanType.URI,
            matcher: { prefix: `spiffe://${domain}/` },
          })),
        },
        validationContextSdsSecretConfig: meshSecret(ROOT_SECRET),
      },
      alpnProtocols: [...alpn],
    },
  });
}

/**
 * What a DestinationRule asks for by SIMPLE or MUTUAL. Without a CA the operating system's roots
 * hold, as in Istio (VERIFY_CERTIFICATE_AT_CLIENT).
 */
export function originationSocket(tls: ClientTls, alpn: readonly string[]): TransportSocket {
  const context: CommonTlsContext = { tlsParams: MESH_CLIENT_PARAMS, alpnProtocols: [...alpn] };
  if (tls.mode === "MUTUAL") {
    context.tlsCertificateSdsSecretConfigs = [clientCertificate(tls)];
  }
  const root = rootOf(tls);
  if (root !== undefined) {
    context.combinedValidationContext = {
      defaultValidationContext: exactNames(tls.subjectAltNames),
      validationContextSdsSecretConfig: root,
    };
  }
  return upstream({ sni: tls.sni, commonTlsContext: context });
}

/** A gateway server's TLS, in the words of Gateway's `tls.mode`. */
export interface ServerTls {
  readonly mode: "SIMPLE" | "MUTUAL" | "OPTIONAL_MUTUAL" | "ISTIO_MUTUAL";
  readonly credentialName: string | undefined;
  /** Files in the proxy's own file system, where there is no credential. */
  readonly serverCertificate: string | undefined;
  readonly privateKey: string | undefined;
  readonly caCertificates: string | undefined;
  readonly subjectAltNames: readonly string[];
  readonly minProtocolVersion: TlsVersion | undefined;
  readonly maxProtocolVersion: TlsVersion | undefined;
  readonly cipherSuites: readonly string[];
}

export type TlsVersion = "TLSV1_0" | "TLSV1_1" | "TLSV1_2" | "TLSV1_3";

export function gatewayServerSocket(tls: ServerTls, alpn: readonly string[]): TransportSocket {
  const context: CommonTlsContext = { tlsParams: serverParams(tls), alpnProtocols: [...alpn] };
  context.tlsCertificateSdsSecretConfigs = [serverCertificate(tls)];
  const root = gatewayRoot(tls);
  if (root !== undefined) {
    context.combinedValidationContext = {
      defaultValidationContext: exactNames(tls.subjectAltNames),
      validationContextSdsSecretConfig: root,
    };
  }
  return downstream({
    commonTlsContext: context,
    requireClientCertificate: tls.mode === "MUTUAL" || tls.mode === "ISTIO_MUTUAL",
  });
}

function serverCertificate(tls: ServerTls): SdsSecretConfig {
  if (tls.mode === "ISTIO_MUTUAL") return meshSecret(IDENTITY_SECRET);
  if (tls.credentialName !== undefined) return userSecret(credentialSecretName(tls.credentialName));
  return userSecret(fileCertificateName(tls.serverCertificate, tls.privateKey));
}

function gatewayRoot(tls: ServerTls): SdsSecretConfig | undefined {
  if (tls.mode === "ISTIO_MUTUAL") return meshSecret(ROOT_SECRET);
  if (tls.mode === "SIMPLE") return undefined;
  if (tls.credentialName !== undefined)
    return userSecret(credentialRootSecretName(tls.credentialName));
  return tls.caCertificates === undefined
    ? undefined
    : userSecret(fileRootName(tls.caCertificates));
}

function serverParams(tls: ServerTls): TlsParameters | undefined {
  const { minProtocolVersion, maxProtocolVersion, cipherSuites } = tls;
  if (!minProtocolVersion && !maxProtocolVersion && cipherSuites.length === 0) return undefined;
  return {
    tlsMinimumProtocolVersion: minProtocolVersion && PROTOCOL_VERSIONS[minProtocolVersion],
    tlsMaximumProtocolVersion: maxProtocolVersion && PROTOCOL_VERSIONS[maxProtocolVersion],
    cipherSuites: [...cipherSuites],
  };
}

const PROTOCOL_VERSIONS = {
  TLSV1_0: TlsParameters_TlsProtocol.TLSv1_0,
  TLSV1_1: TlsParameters_TlsProtocol.TLSv1_1,
  TLSV1_2: TlsParameters_TlsProtocol.TLSv1_2,
  TLSV1_3: TlsParameters_TlsProtocol.TLSv1_3,
} as const;

function rootOf(tls: ClientTls): SdsSecretConfig | undefined {
  if (tls.insecureSkipVerify) return undefined;
  if (tls.credentialName !== undefined)
    return userSecret(credentialRootSecretName(tls.credentialName));
  if (tls.caCertificates !== undefined) return userSecret(fileRootName(tls.caCertificates));
  return userSecret(SYSTEM_ROOT_SECRET);
}

function clientCertificate(tls: ClientTls): SdsSecretConfig {
  if (tls.credentialName !== undefined) return userSecret(credentialSecretName(tls.credentialName));
  return userSecret(fileCertificateName(tls.clientCertificate, tls.privateKey));
}

function meshSecret(name: string): SdsSecretConfig {
  return { name, sdsConfig: ADS };
}

function userSecret(name: string): SdsSecretConfig {
  return { name, sdsConfig: ADS_WITH_TIMEOUT };
}

function exactNames(names: readonly string[]): CertificateValidationContext {
  return names.length === 0 ? {} : { matchTypedSubjectAltNames: names.map(exactName) };
}

/** Envoy wants to be told what kind of name it is; DestinationRule and Gateway let its form say it. */
function exactName(exact: string): SubjectAltNameMatcher {
  return { sanType: SubjectAltNameMatcher_SanType[kindOfName(exact)], matcher: { exact } };
}

function kindOfName(name: string): "URI" | "IP_ADDRESS" | "EMAIL" | "DNS" {
  if (name.includes("://")) return "URI";
  if (isIP(name) !== 0) return "IP_ADDRESS";
  return name.includes("@") ? "EMAIL" : "DNS";
}

function upstream(context: UpstreamTlsContext): TransportSocket {
  return extension(TLS_SOCKET, UpstreamTlsContext, context);
}

function downstream(context: DownstreamTlsContext): TransportSocket {
  return extension(TLS_SOCKET, DownstreamTlsContext, context);
}
