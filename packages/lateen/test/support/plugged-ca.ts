import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from "node:crypto";
import { AsnConvert, OctetString } from "@peculiar/asn1-schema";
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  AuthorityKeyIdentifier,
  BasicConstraints,
  Certificate,
  Extension,
  Extensions,
  id_ce_authorityKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_keyUsage,
  id_ce_subjectKeyIdentifier,
  KeyIdentifier,
  KeyUsage,
  KeyUsageFlags,
  Name,
  RelativeDistinguishedName,
  SubjectKeyIdentifier,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
  Version,
} from "@peculiar/asn1-x509";

/** One certificate of a CA and its key. */
export interface Ca {
  readonly pem: string;
  readonly name: Name;
  readonly key: KeyObject;
  readonly keyId: ArrayBuffer;
}

/** Data of Secret `cacerts`. */
export interface PluggedCa {
  readonly "ca-cert.pem": string;
  readonly "ca-key.pem": string;
  readonly "root-cert.pem": string;
  readonly "cert-chain.pem": string;
}

/** A root of an operator's, with what can be plugged in under it. */
export interface OperatorRoot extends Ca {
  /** An intermediate of its own each time; `roots` is what peers are to trust, by default this one. */
  plugged(roots?: readonly OperatorRoot[]): PluggedCa;
}

/** An operator's own root and an intermediate below it, in the form of Istio's `cacerts`. */
export function pluggedCa(kind: "rsa" | "ec", notBefore: number, notAfter: number): PluggedCa {
  return operatorRoot(kind, "", notBefore, notAfter).plugged();
}

/** Roots that are used together need different `label`s: they are told apart by their names. */
export function operatorRoot(
  kind: "rsa" | "ec",
  label: string,
  notBefore: number,
  notAfter: number,
): OperatorRoot {
  const period = { notBefore, notAfter };
  const root = makeCa({ kind, commonName: `Root CA${label}`, period });
  let count = 0;
  return {
    ...root,
    plugged(roots) {
      const name = `Intermediate CA${label}${count++ === 0 ? "" : count}`;
      const intermediate = makeCa({ kind, commonName: name, period, issuer: root });
      return {
        "ca-cert.pem": intermediate.pem,
        "ca-key.pem": intermediate.key.export({ type: "pkcs8", format: "pem" }).toString(),
        "root-cert.pem": roots === undefined ? root.pem : roots.map(each => each.pem).join(""),
        "cert-chain.pem": intermediate.pem + root.pem,
      };
    },
  };
}

export interface CaOptions {
  readonly kind: "rsa" | "ec";
  readonly commonName: string;
  /** Milliseconds since the epoch. */
  readonly period: { readonly notBefore: number; readonly notAfter: number };
  /** undefined: it signs itself. */
  readonly issuer?: Ca;
  /** Of a certificate that there is already; otherwise a new one. */
  readonly key?: KeyObject;
  readonly pathLength?: number;
  /** Bits of KeyUsage; otherwise keyCertSign. */
  readonly usage?: number;
  /** Beside key usage, basic constraints and key identifiers. */
  readonly extensions?: readonly Extension[];
  /** basicConstraints; default true. */
  readonly isAuthority?: boolean;
}

export function makeCa(options: CaOptions): Ca {
  const { kind, commonName, period, issuer } = options;
  const key = options.key ?? newKey(kind);
  const spki = AsnConvert.parse(
    createPublicKey(key).export({ type: "spki", format: "der" }),
    SubjectPublicKeyInfo,
  );
  const keyId = new Uint8Array(createHash("sha1").update(commonName).digest()).buffer;
  // PrintableString, which the CA must repeat byte for byte as the issuer of what it signs.
  const name = new Name([
    new RelativeDistinguishedName([
      new AttributeTypeAndValue({
        type: "2.5.4.3",
        value: new AttributeValue({ printableString: commonName }),
      }),
    ]),
  ]);
  const signature = new AlgorithmIdentifier(
    kind === "rsa"
      ? { algorithm: "1.2.840.113549.1.1.11", parameters: null }
      : { algorithm: "1.2.840.10045.4.3.3" },
  );
  const self = { name, key, keyId };
  const by = issuer ?? self;
  const tbsCertificate = new TBSCertificate({
    version: Version.v3,
    serialNumber: new Uint8Array([1, ++certificates & 0x7f, ...Buffer.from(commonName)]).buffer,
    signature,
    issuer: by.name,
    validity: new Validity({
      notBefore: new Date(period.notBefore),
      notAfter: new Date(period.notAfter),
    }),
    subject: name,
    subjectPublicKeyInfo: spki,
    extensions: new Extensions([
      extension(id_ce_keyUsage, true, new KeyUsage(options.usage ?? KeyUsageFlags.keyCertSign)),
      extension(id_ce_basicConstraints, true, basicConstraints(options)),
      extension(id_ce_subjectKeyIdentifier, false, new SubjectKeyIdentifier(keyId)),
      extension(
        id_ce_authorityKeyIdentifier,
        false,
        new AuthorityKeyIdentifier({ keyIdentifier: new KeyIdentifier(by.keyId) }),
      ),
      ...(options.extensions ?? []),
    ]),
  });
  const body = new Uint8Array(AsnConvert.serialize(tbsCertificate));
  const signatureValue = new Uint8Array(sign(kind === "rsa" ? "sha256" : "sha384", body, by.key));
  const der = AsnConvert.serialize(
    new Certificate({
      tbsCertificate,
      signatureAlgorithm: signature,
      signatureValue: signatureValue.buffer,
    }),
  );
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  const pem = `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
  return { ...self, pem };
}

let certificates = 0;

function newKey(kind: "rsa" | "ec"): KeyObject {
  const { privateKey } =
    kind === "rsa"
      ? generateKeyPairSync("rsa", { modulusLength: 2048 })
      : generateKeyPairSync("ec", { namedCurve: "secp384r1" });
  return privateKey;
}

function basicConstraints({ isAuthority: cA = true, pathLength }: CaOptions): BasicConstraints {
  return new BasicConstraints({
    cA,
    ...(pathLength === undefined ? {} : { pathLenConstraint: pathLength }),
  });
}

export function extension(id: string, critical: boolean, value: object): Extension {
  const extnValue = new OctetString(AsnConvert.serialize(value));
  return new Extension({ extnID: id, critical, extnValue });
}
