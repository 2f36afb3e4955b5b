import { type Authority, openAuthority } from "../../src/ca/authority.ts";
import {
  type KeyedCertificate,
  type SubjectNames,
  selfSignedRoot,
} from "../../src/ca/certificate.ts";
import type { TlsMaterial } from "../../src/net/ads-server.ts";

/** A CA of its own for one test: issues what it is asked for, for an hour. */
export class TestAuthority {
  readonly #authority: Authority;
  readonly #period: { readonly notBefore: number; readonly notAfter: number };

  constructor() {
    const now = Date.now();
    this.#period = { notBefore: now - 60_000, notAfter: now + 3_600_000 };
    const root = selfSignedRoot("cluster.local", this.#period);
    const opened = openAuthority(
      {
        "ca-cert.pem": root.certificatePem,
        "ca-key.pem": root.privateKeyPem,
        "root-cert.pem": root.certificatePem,
        "cert-chain.pem": "",
      },
      now,
    );
    if (!opened.ok) throw new Error(JSON.stringify(opened.diagnostics));
    this.#authority = opened.value;
  }

  get roots(): readonly string[] {
    return this.#authority.roots;
  }

  issue(names: SubjectNames): KeyedCertificate {
    return this.#authority.issue(names, this.#period);
  }

  server(): TlsMaterial {
    const names = { dnsNames: ["localhost"], ipAddresses: ["127.0.0.1"] };
    const { certificatePem, privateKeyPem } = this.issue(names);
    return {
      certificateChain: certificatePem,
      privateKey: privateKeyPem,
      clientRoots: this.#authority.roots,
    };
  }
}
