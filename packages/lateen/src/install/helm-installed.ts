/**
 * What Lateen's Helm charts brought into a cluster. Helm keeps the manifest of each release in a Secret
 * (helm.sh, "Helm Architecture"); whoever renders the charts by other means leaves only their labels.
 */
import { gunzipSync } from "node:zlib";
import type { JsonObject } from "../api/kind.ts";
import { CONTROL_PLANE_LABEL, REVISION_LABEL } from "../api/revision-label.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { parseText } from "../sources/files/parse.ts";
import { objectAt, stringAt } from "../sources/json.ts";
import { CONTROL_PLANES } from "../sources/kube/other-control-planes.ts";
import { isOwn } from "./installed.ts";
import {
  INSTALLED_KINDS,
  isNamespacedKind,
  nameOf,
  type ObjectName,
  resourceOf,
} from "./objects.ts";
import { OWNER_LABEL } from "./render.ts";
import { labelOf } from "./revision-tags.ts";

const HELM = `${OWNER_LABEL}=Helm`;
const PART_OF_ISTIO = "app.kubernetes.io/part-of=istio";
const VERSION = "app.kubernetes.io/version";
const SECRETS = { group: "", versions: ["v1"], plural: "secrets", namespaced: true };
/** More than a Secret can hold, once it is unpacked. */
const MAX_RELEASE = 32 << 20;

export interface HelmChoice {
  /** Of the control plane; undefined: of any. */
  readonly namespace: string | undefined;
  readonly revision: string | undefined;
}

/** Deployments of Lateen's control planes that came by Helm; none where they can not be listed. */
export async function helmControlPlanes(
  client: ApiClient,
  { namespace, revision }: HelmChoice,
): Promise<readonly JsonObject[]> {
  const list = await client.list(resourceOf("Deployment"), {
    ...(namespace === undefined ? {} : { namespace }),
    labelSelector: `${CONTROL_PLANES},${CONTROL_PLANE_LABEL},${HELM}`,
  });
  const planes = list.ok ? list.value.items : [];
  return planes.filter(each => [undefined, labelOf(each, REVISION_LABEL)].includes(revision));
}

/** Everything that the releases of the charts are to have; none without a control plane. */
export async function helmObjects(
  client: ApiClient,
  choice: HelmChoice,
): Promise<readonly ObjectName[]> {
  const planes = await helmControlPlanes(client, choice);
  if (planes.length === 0) return [];
  const versions = planes.map(each => labelOf(each, VERSION));
  const found = new Map<string, ObjectName>();
  const add = (name: ObjectName): void => {
    found.set(`${name.kind}/${name.namespace}/${name.name}`, name);
  };
  const releases = new Map<string, Release>();
  for (const kind of INSTALLED_KINDS) {
    const list = await client.list(resourceOf(kind), { labelSelector: `${HELM},${PART_OF_ISTIO}` });
    for (const item of list.ok ? list.value.items.filter(isOwn) : []) {
      // Beside Istio's charts, which have versions of their own.
      if (!versions.includes(labelOf(item, VERSION)) || !isMeant(item, choice)) continue;
      add(nameOf({ ...item, kind }));
      const release = releaseOf(item);
      releases.set(`${release.namespace}/${release.name}`, release);
    }
  }
  for (const release of releases.values())
    for (const object of await manifestOf(client, release))
      if (isMeant(object, choice)) add(nameOf(object));
  const rank = ({ kind }: ObjectName): number => INSTALLED_KINDS.indexOf(kind);
  return [...found.values()].sort((a, b) => rank(a) - rank(b));
}

/** Of another revision or namespace it is another control plane's. */
function isMeant(object: JsonObject, { namespace, revision }: HelmChoice): boolean {
  const place = nameOf(object).namespace;
  const own = labelOf(object, REVISION_LABEL);
  return (
    (namespace === undefined || place === "" || place === namespace) &&
    (revision === undefined || own === "" || own === revision)
  );
}

interface Release {
  readonly namespace: string;
  readonly name: string;
}

function releaseOf(object: JsonObject): Release {
  const annotations = objectAt(objectAt(object, "metadata"), "annotations");
  const text = (key: string): string => stringAt(annotations, `meta.helm.sh/release-${key}`);
  return { namespace: text("namespace"), name: text("name") };
}

/** Of kinds that installations have; none where Helm keeps no such release, or it may not be read. */
async function manifestOf(client: ApiClient, release: Release): Promise<readonly JsonObject[]> {
  const { namespace, name } = release;
  if (name === "") return [];
  const labelSelector = `owner=helm,status=deployed,name=${name}`;
  const list = await client.list(SECRETS, { namespace, labelSelector });
  const [secret] = (list.ok ? list.value.items : []).toSorted(
    (a, b) => Number(labelOf(b, "version")) - Number(labelOf(a, "version")),
  );
  if (secret === undefined) return [];
  const manifest = unpacked(stringAt(objectAt(secret, "data"), "release"));
  return parseText(manifest)
    .objects.map(({ object }) => object)
    .filter(each => INSTALLED_KINDS.includes(stringAt(each, "kind")))
    .map(each => inNamespace(each, namespace));
}

/** Base64 of the API server, base64 of Helm, gzip, JSON. "": it is none of these. */
function unpacked(data: string): string {
  try {
    const packed = Buffer.from(Buffer.from(data, "base64").toString("latin1"), "base64");
    const text = gunzipSync(packed, { maxOutputLength: MAX_RELEASE }).toString("utf8");
    const release: unknown = JSON.parse(text);
    const isRelease = typeof release === "object" && release !== null && "manifest" in release;
    return isRelease && typeof release.manifest === "string" ? release.manifest : "";
  } catch {
    return "";
  }
}

function inNamespace(object: JsonObject, namespace: string): JsonObject {
  if (!isNamespacedKind(stringAt(object, "kind")) || nameOf(object).namespace !== "") return object;
  return { ...object, metadata: { ...objectAt(object, "metadata"), namespace } };
}
