/** The layers that images are put together from. */
import { createHash } from "node:crypto";
import { existsSync, globSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Progress } from "../kube/progress.ts";
import { debianPackages } from "./debian.ts";
import { directory, file, link, text, tree } from "./entries.ts";
import type { LayerSource } from "./layers.ts";
import type { Architecture } from "./oci.ts";
import type { TarEntry } from "./tar.ts";

export interface BuildContext {
  readonly architecture: Architecture;
  /** Folder for what is fetched and made. */
  readonly cache: string;
  readonly progress: Progress;
}

const TRIPLET = { amd64: "x86_64-linux-gnu", arm64: "aarch64-linux-gnu" } as const;

/** Envoy and Node need these; nothing else of Debian is in every image. */
const BASE = ["ca-certificates", "libc6", "libgcc-s1", "libstdc++6"];

/** curl, a shell and what they need. */
const TOOLS = [
  ...["busybox", "curl", "dash"],
  ...["libbrotli1", "libcom-err2", "libcurl4", "libffi8", "libgmp10", "libgnutls30"],
  ...["libgssapi-krb5-2", "libhogweed6", "libidn2-0", "libk5crypto3", "libkeyutils1", "libkrb5-3"],
  ...["libkrb5support0", "libldap-2.5-0", "libnettle8", "libnghttp2-14", "libp11-kit0", "libpsl5"],
  ...["librtmp1", "libsasl2-2", "libssh2-1", "libssl3", "libtasn1-6", "libunistring2", "libzstd1"],
  "zlib1g",
];

/** iptables of both kinds and `ip`, beside the tools. */
const NETWORK = [
  ...["iproute2", "iptables", "libbpf1", "libbsd0", "libcap2", "libelf1", "libip4tc2", "libip6tc2"],
  ...[
    "libmd0",
    "libmnl0",
    "libnetfilter-conntrack3",
    "libnfnetlink0",
    "libnftnl11",
    "libxtables12",
  ],
];

const BUSYBOX_APPLETS = [
  ..."awk base64 basename cat chmod chown cp cut date dd df dirname du echo env expr false".split(
    " ",
  ),
  ..."find free grep head hostname id kill ln ls mkdir mktemp mv nc nslookup pgrep ps pwd".split(
    " ",
  ),
  ..."readlink rm rmdir sed seq sleep sort stat tail tar tee test timeout touch tr true".split(" "),
  ..."uname uniq vi wc wget which xargs yes httpd".split(" "),
];

/** Users of Istio's images: 1337 is whom the interception rules let pass. */
const PASSWD = `root:x:0:0:root:/root:/bin/sh
istio-proxy:x:1337:1337:istio-proxy:/home/istio-proxy:/bin/sh
curl_user:x:100:101:curl:/home/curl_user:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/bin/sh
`;
const GROUP = `root:x:0:
curl_group:x:101:
istio-proxy:x:1337:
nogroup:x:65534:
`;

/** The C libraries, certificates of public authorities, users. */
export async function baseLayer(context: BuildContext): Promise<LayerSource> {
  return debianLayer(context, "base: C libraries and certificates", BASE, packages => [
    ...[...packages.values()].flatMap(folder => libraries(folder, context.architecture)),
    text("etc/ssl/certs/ca-certificates.crt", certificates(packages.get("ca-certificates") ?? "")),
    text("etc/passwd", PASSWD),
    text("etc/group", GROUP),
    text("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
    directory("tmp", 0o1777),
    ...["dev", "home", "proc", "root", "run", "sys", "var/run"].map(path => directory(path)),
  ]);
}

export async function toolsLayer(context: BuildContext): Promise<LayerSource> {
  return debianLayer(context, "tools: shell, curl", TOOLS, packages => [
    ...[...packages.values()].flatMap(folder => [
      ...libraries(folder, context.architecture),
      ...programs(folder, ["bin/busybox", "bin/dash", "usr/bin/curl"]),
    ]),
    link("bin/sh", "dash"),
    ...BUSYBOX_APPLETS.map(name => link(`bin/${name}`, "busybox")),
  ]);
}

export async function networkLayer(context: BuildContext): Promise<LayerSource> {
  const names = ["iptables", "ip6tables"].flatMap(each =>
    ["", "-save", "-restore"].map(suffix => `${each}${suffix}`),
  );
  return debianLayer(context, "network: iptables, ip", NETWORK, packages => [
    ...[...packages.values()].flatMap(folder => [
      ...libraries(folder, context.architecture),
      ...programs(folder, [
        "bin/ip",
        "usr/sbin/xtables-nft-multi",
        "usr/sbin/xtables-legacy-multi",
      ]),
      ...tree("", folder, path => /^usr\/sbin\/ip6?tables-(nft|legacy)/.test(path)),
    ]),
    // What the package's own scripts would link with update-alternatives.
    ...names.map(name => link(`usr/sbin/${name}`, "xtables-nft-multi")),
  ]);
}

async function debianLayer(
  context: BuildContext,
  comment: string,
  names: readonly string[],
  entries: (packages: ReadonlyMap<string, string>) => TarEntry[],
): Promise<LayerSource> {
  const { architecture, cache, progress } = context;
  const found = await debianPackages(names, architecture, cache, progress);
  const folders = new Map(found.map(each => [each.name, each.folder]));
  return {
    comment,
    key: JSON.stringify(found.map(each => each.sha256)),
    entries: () => [...entries(folders), ...copyrights(folders)],
    parts: found.map(({ name, version, sha256 }) => ({
      name,
      version,
      sha256,
      purl: `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${architecture}`,
    })),
  };
}

/** Shared libraries and the loader; not the converters of character sets, which nothing here uses. */
function libraries(folder: string, architecture: Architecture): TarEntry[] {
  const places = [`lib/${TRIPLET[architecture]}/`, `usr/lib/${TRIPLET[architecture]}/`, "lib64/"];
  const loader = /^lib\/ld-linux-[^/]*$/;
  return tree("", folder, path => {
    if (/\/(gconv|audit|engines-3|sasl2)\//.test(path)) return false;
    return (
      loader.test(path) || (places.some(each => path.startsWith(each)) && path.includes(".so"))
    );
  });
}

function programs(folder: string, paths: readonly string[]): TarEntry[] {
  return paths
    .filter(path => existsSync(join(folder, path)))
    .map(path => file(path, join(folder, path), 0o755));
}

function copyrights(packages: ReadonlyMap<string, string>): TarEntry[] {
  return [...packages].flatMap(([name, folder]) => {
    const path = `usr/share/doc/${name}/copyright`;
    return existsSync(join(folder, path)) ? [file(path, join(folder, path))] : [];
  });
}

/** The bundle that the package's own script would make: every certificate, one after the other. */
function certificates(folder: string): string {
  const source = join(folder, "usr/share/ca-certificates/mozilla");
  const names = readdirSync(source).filter(name => name.endsWith(".crt"));
  return names
    .sort()
    .map(name => readFileSync(join(source, name), "utf8"))
    .join("");
}

/** A hash of files, for a key. */
export function hashOf(folder: string, patterns: readonly string[]): string {
  const hash = createHash("sha256");
  for (const name of patterns.flatMap(each => globSync(each, { cwd: folder })).sort()) {
    const path = join(folder, name);
    if (existsSync(path)) hash.update(name).update(readFileSync(path));
  }
  return hash.digest("hex");
}
