/** Istio's rules for Gateways (pkg/config/validation: ValidateGateway), in our words. */
import { isPartialWildcard } from "../networking/hosts.ts";
import { isHttpProtocol, isTlsProtocol } from "../networking/protocol.ts";
import { pathOf, type Report } from "../report.ts";
import type { Gateway, GatewayServer } from "./schema.ts";

export function validateGateway({ spec }: Gateway, report: Report): void {
  if (spec.servers.length === 0)
    report.error("spec.servers", "Required", "found no servers, want at least one");
  if (Object.keys(spec.selector).length === 0)
    report.warning(
      "spec.selector",
      "Required",
      "found no labels: this is for all gateways there are",
    );
  const portNames = new Set<string>();
  spec.servers.forEach((server, i) => {
    const path = pathOf("spec.servers", i);
    validateServer(server, path, report);
    const { name } = server.port;
    if (portNames.has(name))
      report.error(
        `${path}.port.name`,
        "Duplicate",
        `found "${name}" a second time; names of ports are unique among the servers`,
      );
    portNames.add(name);
  });
}

function validateServer(server: GatewayServer, path: string, report: Report): void {
  if (server.hosts.length === 0)
    report.error(`${path}.hosts`, "Required", "found no hosts, want at least one");
  if (isTlsProtocol(server.port.protocol))
    server.hosts.forEach((host, i) => {
      if (!isPartialWildcard(host.slice(host.indexOf("/") + 1))) return;
      const message = `found "${host}": not served over TLS, as server names know wildcards of whole labels only`;
      report.warning(pathOf(`${path}.hosts`, i), "NoServerName", message);
    });
  if (server.port.protocol === "")
    report.error(`${path}.port.protocol`, "Required", "is required; want HTTP, HTTPS, TCP, ...");
  if ((server.port.targetPort ?? 0) !== 0)
    report.error(`${path}.port.targetPort`, "InvalidValue", "has no meaning for Gateways");
  const tlsPort = isTlsProtocol(server.port.protocol);
  if (tlsPort && server.tls === undefined)
    report.error(`${path}.tls`, "Required", `is required for protocol ${server.port.protocol}`);
  if (tlsPort && server.tls !== undefined && server.tls.mode === undefined)
    report.warning(
      `${path}.tls.mode`,
      "NotCarriedOut",
      "found none, which is PASSTHROUGH; that is accepted but not carried out yet",
    );
  if (tlsPort && server.tls !== undefined) validateCertificates(server.tls, `${path}.tls`, report);
  if (!tlsPort && server.tls !== undefined)
    validatePlainTls(server.port.protocol, server.tls, path, report);
}

/** Who ends TLS needs a certificate, and who checks clients must know by what. */
function validateCertificates(
  tls: NonNullable<GatewayServer["tls"]>,
  path: string,
  report: Report,
): void {
  const { mode, credentialName = "", credentialNames = [], tlsCertificates = [] } = tls;
  const { serverCertificate = "", privateKey = "", caCertificates = "" } = tls;
  if (mode !== "SIMPLE" && mode !== "MUTUAL" && mode !== "OPTIONAL_MUTUAL") return;
  if (credentialName !== "" || credentialNames.length + tlsCertificates.length > 0) return;
  if (serverCertificate === "" || privateKey === "")
    report.error(
      `${path}.credentialName`,
      "Required",
      `is required for mode ${mode}; want a Secret, or files in serverCertificate and privateKey`,
    );
  else if (mode !== "SIMPLE" && caCertificates === "")
    report.error(`${path}.caCertificates`, "Required", `is required for mode ${mode} with files`);
}

/** Without TLS only HTTP may have `tls`, and only to redirect to HTTPS. */
function validatePlainTls(
  protocol: string,
  tls: NonNullable<GatewayServer["tls"]>,
  path: string,
  report: Report,
): void {
  const { mode, serverCertificate = "", privateKey = "", caCertificates = "" } = tls;
  const terminates = mode !== undefined && mode !== "PASSTHROUGH" && mode !== "AUTO_PASSTHROUGH";
  const files = serverCertificate + privateKey + caCertificates !== "";
  if (isHttpProtocol(protocol) && !terminates && !files) return;
  report.error(
    `${path}.tls`,
    "OneOf",
    `may not be set for protocol ${protocol}, which is without TLS; want protocol HTTPS or TLS`,
  );
}
