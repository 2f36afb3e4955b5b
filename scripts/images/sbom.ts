/** A bill of materials for an image, as SPDX 2.3 in JSON. https://spdx.github.io/spdx-spec/v2.3/ */

/** Something that was not made here and is in an image, or the image's own code. */
export interface Part {
  readonly name: string;
  readonly version: string;
  /** Package URL: https://github.com/package-url/purl-spec */
  readonly purl: string;
  /** SPDX expression, where its source declares one. */
  readonly license?: string;
  readonly sha256?: string;
}

export interface Bill {
  /** Full reference of the image. */
  readonly image: string;
  /** `sha256:...` of its manifest. */
  readonly digest: string;
  readonly parts: readonly Part[];
  /** RFC 3339. */
  readonly created: string;
  readonly toolVersion: string;
}

export function spdx(bill: Bill): object {
  const parts = [...new Map(bill.parts.map(part => [part.purl, part])).values()];
  const ids = parts.map((_, i) => `SPDXRef-Package-${i + 1}`);
  return {
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    SPDXID: "SPDXRef-DOCUMENT",
    name: bill.image,
    documentNamespace: `https://spdx.org/spdxdocs/${bill.digest.replace(":", "-")}`,
    creationInfo: { created: bill.created, creators: [`Tool: lateen-images-${bill.toolVersion}`] },
    packages: [
      {
        SPDXID: "SPDXRef-Image",
        name: bill.image,
        versionInfo: bill.digest,
        downloadLocation: "NOASSERTION",
        filesAnalyzed: false,
        primaryPackagePurpose: "CONTAINER",
      },
      ...parts.map((part, i) => describe(part, ids[i] ?? "")),
    ],
    relationships: [
      relation("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-Image"),
      ...ids.map(id => relation("SPDXRef-Image", "CONTAINS", id)),
    ],
  };
}

function describe(part: Part, id: string): object {
  const { sha256 } = part;
  return {
    SPDXID: id,
    name: part.name,
    versionInfo: part.version,
    downloadLocation: "NOASSERTION",
    filesAnalyzed: false,
    licenseDeclared: part.license ?? "NOASSERTION",
    externalRefs: [
      {
        referenceCategory: "PACKAGE-MANAGER",
        referenceType: "purl",
        referenceLocator: part.purl,
      },
    ],
    ...(sha256 === undefined
      ? {}
      : { checksums: [{ algorithm: "SHA256", checksumValue: sha256 }] }),
  };
}

function relation(from: string, relationshipType: string, to: string): object {
  return { spdxElementId: from, relationshipType, relatedSpdxElement: to };
}
