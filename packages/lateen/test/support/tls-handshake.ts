/** A real TLS handshake (OpenSSL in Node) over loopback, both sides with a certificate. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect, createServer } from "node:tls";
import type { KeyedCertificate } from "../../src/ca/certificate.ts";

/** Who shows a certificate, and what it trusts. */
export interface Side {
  readonly has: KeyedCertificate;
  readonly trusts: readonly { readonly pem: string }[];
}

/** "" or why not. Both sides show a certificate and check the other's. */
export async function handshake(client: Side, server: Side): Promise<string> {
  const of = ({ has, trusts }: Side) => ({
    cert: has.certificatePem,
    key: has.privateKeyPem,
    ca: trusts.map(each => each.pem),
  });
  const listener = createServer({ ...of(server), requestCert: true, rejectUnauthorized: true });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { promise, resolve } = Promise.withResolvers<string>();
  listener.once("tlsClientError", error => resolve(`server: ${error.message}`));
  listener.once("secureConnection", socket => {
    socket.on("error", () => {});
    resolve("");
  });
  const { port } = listener.address() as AddressInfo;
  const socket = connect({ host: "127.0.0.1", port, servername: "b", ...of(client) });
  socket.once("error", error => resolve(`client: ${error.message}`));
  const answer = await promise;
  socket.destroy();
  listener.close();
  return answer;
}
