/**
 * X.509 v3 certificates (RFC 5280) as Istio's CA makes them: ECDSA P-256 keys, a SPIFFE URI or DNS
 * names as critical subject alternative names (the subject is empty), signed with the CA's key.
 * The schema library encodes the fields, constant ones once for each authority; node:crypto signs.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from "node:crypto";
import { AsnConvert, OctetString } from "@peculiar/asn1-schema";
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  AuthorityKeyIdentifier,
  BasicConstraints,
  Certificate,
  ExtendedKeyUsage,
  Extension,
  GeneralName,
  id_ce_authorityKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_subjectAltName,
  id_ce_subjectKeyIdentifier,
  KeyIdentifier,
  KeyUsage,
  KeyUsageFlags,
  Name,
  RelativeDistinguishedName,
  SubjectAlternativeName,
  SubjectKeyIdentifier,
  SubjectPublicKeyInfo,
  Validity,
} from "@peculiar/asn1-x509";
import { bitString, explicit, pemBlock, positiveInteger, sequence } from "./der.ts";

const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";
const ORGANIZATION = "2.5.4.10";
const SERIAL_BYTES = 16;
const EXTENSIONS_TAG = 3;
const VERSION_TAG = 0;
const V3 = Uint8Array.of(2);
const RSA_BITS_MIN = 2048;

/** How a key signs: the hash for node:crypto and the encoded AlgorithmIdentifier. */
export interface SignatureAlgorithm {
  readonly hash: "sha256" | "sha384" | "sha512";
  readonly identifier: Uint8Array;
}

/** What a signer is: a name, a key and how it signs. Made by authority.ts and by selfSignedRoot. */
export interface SigningKey {
  readonly key: KeyObject;
  readonly algorithm: SignatureAlgorithm;
  /** Encoded subject of the CA's certificate. */
  readonly subject: Uint8Array;
  /** Subject key identifier of the CA's certificate. */
  readonly subjectKeyId: Uint8Array;
}

/** Milliseconds since the epoch; certificates carry whole seconds. */
export interface Period {
  readonly notBefore: number;
  readonly notAfter: number;
}

export interface SubjectNames {
  readonly uris?: readonly string[];
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
}

/** A certificate and its private key, both PEM. The key is PKCS#8. */
export interface KeyedCertificate {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

const rsaIdentifier = encode(
  new AlgorithmIdentifier({ algorithm: "1.2.840.113549.1.1.11", parameters: null }),
);
const ecdsa = (hash: SignatureAlgorithm["hash"], oid: string): SignatureAlgorithm => ({
  hash,
  identifier: encode(new AlgorithmIdentifier({ algorithm: oid })),
});
const ecdsaByCurve = new Map([
  ["prime256v1", ecdsa("sha256", "1.2.840.10045.4.3.2")],
  ["secp384r1", ecdsa("sha384", "1.2.840.10045.4.3.3")],
  ["secp521r1", ecdsa("sha512", "1.2.840.10045.4.3.4")],
]);

/** How `key` signs, or undefined for keys that are too weak or of a kind that Envoy does not take. */
export function signatureAlgorithmOf(key: KeyObject): SignatureAlgorithm | undefined {
  const details = key.asymmetricKeyDetails;
  if (key.asymmetricKeyType === "ec") return ecdsaByCurve.get(details?.namedCurve ?? "");
  if (key.asymmetricKeyType !== "rsa" || (details?.modulusLength ?? 0) < RSA_BITS_MIN)
    return undefined;
  return { hash: "sha256", identifier: rsaIdentifier };
}

/** RFC 5280 4.2.1.2 method 1: SHA-1 of the public key's bits. An identifier, not a protection. */
export function subjectKeyIdOf(spki: Uint8Array): Buffer {
  const { subjectPublicKey } = AsnConvert.parse(spki, SubjectPublicKeyInfo);
  return createHash("sha1").update(new Uint8Array(subjectPublicKey)).digest();
}

/** A root of our own, as Istio's self-signed CA makes it: `O=<trust domain>`, ECDSA P-256. */
export function selfSignedRoot(trustDomain: string, period: Period): KeyedCertificate {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const subject = encode(
    new Name([
      new RelativeDistinguishedName([
        new AttributeTypeAndValue({
          type: ORGANIZATION,
          value: new AttributeValue({ utf8String: trustDomain }),
        }),
      ]),
    ]),
  );
  const spki = createPublicKey(privateKey).export({ type: "spki", format: "der" });
  const certificatePem = rootOf(
    privateKey,
    { subject, subjectKeyId: subjectKeyIdOf(spki) },
    period,
  );
  return { certificatePem, privateKeyPem: keyPem(privateKey) };
}

type NameAndKeyId = Pick<SigningKey, "subject" | "subjectKeyId">;

/** What certificates that `own` signs say of it. */
export function nameAndKeyId(own: X509Certificate): NameAndKeyId {
  const { tbsCertificate } = AsnConvert.parse(own.raw, Certificate);
  const found = tbsCertificate.extensions?.find(one => one.extnID === id_ce_subjectKeyIdentifier);
  const spki = own.publicKey.export({ type: "spki", format: "der" });
  return {
    subject: new Uint8Array(AsnConvert.serialize(tbsCertificate.subject)),
    subjectKeyId:
      found === undefined
        ? subjectKeyIdOf(spki)
        : new Uint8Array(AsnConvert.parse(found.extnValue.buffer, SubjectKeyIdentifier).buffer),
  };
}

/**
 * CA certificates that may be below this one, self-issued ones aside (RFC 5280 4.2.1.9); infinite: any number.
 * Throws where the extension can not be read.
 */
export function pathLengthOf(certificate: X509Certificate): number {
  const { extensions = [] } = AsnConvert.parse(certificate.raw, Certificate).tbsCertificate;
  const found = extensions.find(one => one.extnID === id_ce_basicConstraints)?.extnValue.buffer;
  const length = found && AsnConvert.parse(found, BasicConstraints).pathLenConstraint;
  return length ?? Number.POSITIVE_INFINITY;
}

/**
 * A self-signed root's certificate for another period: same key and name, so that who trusts the one
 * takes what is issued under the other, and the same key identifier. PEM.
 */
export function renewedRoot(root: KeyedCertificate, period: Period): string {
  const names = nameAndKeyId(new X509Certificate(root.certificatePem));
  return rootOf(createPrivateKey(root.privateKeyPem), names, period);
}

/** PEM. */
function rootOf(key: KeyObject, names: NameAndKeyId, period: Period): string {
  const { subject, subjectKeyId } = names;
  const spki = createPublicKey(key).export({ type: "spki", format: "der" });
  const algorithm = signatureAlgorithmOf(key) ?? ecdsa("sha256", "1.2.840.10045.4.3.2");
  const certificate = signCertificate(
    { key, algorithm, subject, subjectKeyId },
    {
      period,
      subject,
      spki,
      extensions: [
        extension(
          id_ce_keyUsage,
          true,
          new KeyUsage(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign),
        ),
        extension(id_ce_basicConstraints, true, new BasicConstraints({ cA: true })),
        extension(id_ce_subjectKeyIdentifier, false, new SubjectKeyIdentifier(subjectKeyId)),
      ],
    },
  );
  return pemBlock("CERTIFICATE", certificate);
}

/** Issues end-entity certificates under one key. What does not change is encoded once. */
export function leafIssuer(
  signer: SigningKey,
): (names: SubjectNames, period: Period) => KeyedCertificate {
  const authorityKeyId = new AuthorityKeyIdentifier({
    keyIdentifier: new KeyIdentifier(signer.subjectKeyId),
  });
  const constant = [
    extension(id_ce_keyUsage, true, new KeyUsage(KeyUsageFlags.digitalSignature)),
    extension(id_ce_extKeyUsage, false, new ExtendedKeyUsage([SERVER_AUTH, CLIENT_AUTH])),
    extension(id_ce_basicConstraints, true, new BasicConstraints({ cA: false })),
    extension(id_ce_authorityKeyIdentifier, false, authorityKeyId),
  ];
  const emptySubject = sequence();
  return (names, period) => {
    const pair = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
    const spki = pair.publicKey.export({ type: "spki", format: "der" });
    const subjectKeyId = new SubjectKeyIdentifier(subjectKeyIdOf(spki));
    const certificate = signCertificate(signer, {
      period,
      subject: emptySubject,
      spki,
      extensions: [
        ...constant,
        extension(id_ce_subjectKeyIdentifier, false, subjectKeyId),
        extension(id_ce_subjectAltName, true, alternativeNames(names)),
      ],
    });
    return {
      certificatePem: pemBlock("CERTIFICATE", certificate),
      privateKeyPem: keyPem(pair.privateKey),
    };
  };
}

interface ToBeSigned {
  readonly period: Period;
  readonly subject: Uint8Array;
  readonly spki: Uint8Array;
  readonly extensions: readonly Uint8Array[];
}

function signCertificate(signer: SigningKey, content: ToBeSigned): Buffer {
  const validity = new Validity({
    notBefore: new Date(content.period.notBefore),
    notAfter: new Date(content.period.notAfter),
  });
  const toBeSigned = sequence(
    explicit(VERSION_TAG, positiveInteger(V3)),
    positiveInteger(randomSerial()),
    signer.algorithm.identifier,
    signer.subject,
    encode(validity),
    content.subject,
    content.spki,
    explicit(EXTENSIONS_TAG, sequence(...content.extensions)),
  );
  const signature = sign(signer.algorithm.hash, toBeSigned, signer.key);
  return sequence(toBeSigned, signer.algorithm.identifier, bitString(signature));
}

/** 126 random bits in 16 octets: positive, and never with a leading zero octet. */
function randomSerial(): Buffer {
  const serial = randomBytes(SERIAL_BYTES);
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  return serial;
}

function alternativeNames(names: SubjectNames): SubjectAlternativeName {
  return new SubjectAlternativeName([
    ...(names.uris ?? []).map(uri => new GeneralName({ uniformResourceIdentifier: uri })),
    ...(names.dnsNames ?? []).map(name => new GeneralName({ dNSName: name })),
    ...(names.ipAddresses ?? []).map(address => new GeneralName({ iPAddress: address })),
  ]);
}

function keyPem(key: KeyObject): string {
  return pemBlock("PRIVATE KEY", key.export({ type: "pkcs8", format: "der" }));
}

function extension(id: string, critical: boolean, value: object): Buffer {
  const extnValue = new OctetString(AsnConvert.serialize(value));
  return encode(new Extension({ extnID: id, critical, extnValue }));
}

function encode(value: object): Buffer {
  return Buffer.from(AsnConvert.serialize(value));
}
