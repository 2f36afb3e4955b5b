/**
 * `proxy-status NAME`: what the control plane sends one Envoy against what that has loaded, in
 * istioctl's words (features row 13). Both are config dumps (envoy/admin/v3/config_dump.proto).
 */
import { compareText } from "../../base/compare.ts";
import { type Edit, lineDiff, unifiedDiff } from "./line-diff.ts";
import { protoJson } from "./proto-json.ts";

/** As istioctl's comparison has it. */
const CONTEXT_LINES = 7;
const INDENT = 4;

type Section = Readonly<Record<string, unknown>>;

const ROUTES = "RoutesConfigDump";
const EMPTY: ReadonlyMap<string, Section> = new Map();

interface Entry {
  readonly name: string;
  readonly lines: readonly string[];
}

/** Texts of the two dumps; `timeZone` is an IANA name, by default the machine's. Throws SyntaxError. */
export function syncDiff(sent: string, loaded: string, timeZone?: string): string {
  const dumps = [sectionsOf(sent), sectionsOf(loaded)];
  const single = dumps.flatMap(routesIn).filter(config => config["vhds"] !== undefined);
  const names = new Set(single.map(config => config["name"]));
  const [istiod = EMPTY, envoy = EMPTY] = dumps.map(each => foldSingleHosts(each, names));
  const clusters = diffOf("Clusters", "dynamicActiveClusters", clusterEntries, istiod, envoy);
  const listeners = diffOf("Listeners", "dynamicListeners", listenerEntries, istiod, envoy);
  const routes = diffOf("Routes", "dynamicRouteConfigs", routeEntries, istiod, envoy);
  const at = routesLoaded(envoy, timeZone);
  return [
    clusters === "" ? "Clusters Match\n" : `${clusters}\n`,
    listeners === "" ? "Listeners Match\n" : `${listeners}\n`,
    routes === "" ? `Routes Match${at}\n` : `Routes Don't Match${at}\n${routes}\n`,
  ].join("");
}

function sectionsOf(text: string): ReadonlyMap<string, Section> {
  const dump = JSON.parse(text) as { configs?: readonly Section[] };
  return new Map(
    (dump.configs ?? []).map(section => {
      const type = String(section["@type"]);
      const name = type.slice(type.lastIndexOf(".") + 1);
      return [name, protoJson(`envoy.admin.v3.${name}`, section) as Section];
    }),
  );
}

function diffOf(
  what: string,
  key: string,
  entriesOf: (sections: ReadonlyMap<string, Section>) => Entry[],
  istiod: ReadonlyMap<string, Section>,
  envoy: ReadonlyMap<string, Section>,
): string {
  const edits = diffEntries(key, entriesOf(istiod), entriesOf(envoy));
  const names = { from: `Istiod ${what}`, to: `Envoy ${what}` };
  return unifiedDiff(edits, names, CONTEXT_LINES);
}

/** Entries are paired by name, so that a large dump costs what differs in it. */
function diffEntries(key: string, sent: Entry[], loaded: Entry[]): Edit[] {
  const before = withCommas(sent);
  const after = withCommas(loaded);
  const names = [...new Set([...before.keys(), ...after.keys()])].sort(compareText);
  return [
    ...lineDiff(opening(key, before.size), opening(key, after.size)),
    ...names.flatMap(name => lineDiff(before.get(name) ?? [], after.get(name) ?? [])),
    ...lineDiff(closing(before.size), closing(after.size)),
  ];
}

const opening = (key: string, size: number): string[] =>
  size === 0 ? ["{}"] : ["{", `${" ".repeat(INDENT)}"${key}": [`];

const closing = (size: number): string[] => (size === 0 ? [] : [`${" ".repeat(INDENT)}]`, "}"]);

function withCommas(entries: Entry[]): ReadonlyMap<string, readonly string[]> {
  const sorted = entries.sort((a, b) => compareText(a.name, b.name));
  return new Map(
    sorted.map(({ name, lines }, i) => {
      const more = i < sorted.length - 1;
      return [name, more ? [...lines.slice(0, -1), `${lines.at(-1)},`] : lines];
    }),
  );
}

function entry(name: unknown, value: unknown): Entry {
  const text = JSON.stringify(value, undefined, INDENT);
  const lines = text.split("\n").map(line => `${" ".repeat(2 * INDENT)}${line}`);
  return { name: String(name), lines };
}

function clusterEntries(sections: ReadonlyMap<string, Section>): Entry[] {
  const active = listOf(sections.get("ClustersConfigDump"), "dynamicActiveClusters");
  return active.map(each => {
    const cluster = objectOf(each["cluster"]);
    return entry(cluster["name"], { cluster });
  });
}

function listenerEntries(sections: ReadonlyMap<string, Section>): Entry[] {
  const listeners = listOf(sections.get("ListenersConfigDump"), "dynamicListeners");
  return listeners.flatMap(each => {
    if (each["activeState"] === undefined) return [];
    const listener = objectOf(objectOf(each["activeState"])["listener"]);
    return [entry(each["name"], { name: each["name"], activeState: { listener } })];
  });
}

function routeEntries(sections: ReadonlyMap<string, Section>): Entry[] {
  return routesIn(sections).map(config => entry(config["name"], { routeConfig: config }));
}

function routesIn(sections: ReadonlyMap<string, Section>): Section[] {
  const routes = listOf(sections.get(ROUTES), "dynamicRouteConfigs");
  return routes.map(each => objectOf(each["routeConfig"]));
}

/**
 * Virtual hosts that come one at a time (VHDS) are in the dumps of both, but have no order of their
 * own, and whether they come so is not what anybody asks: in these routes, they are put in order.
 */
function foldSingleHosts(
  sections: ReadonlyMap<string, Section>,
  names: ReadonlySet<unknown>,
): ReadonlyMap<string, Section> {
  const dynamicRouteConfigs = listOf(sections.get(ROUTES), "dynamicRouteConfigs").map(each => {
    const { vhds: _, ...config } = objectOf(each["routeConfig"]);
    if (!names.has(config["name"])) return each;
    const hosts = [...listOf(config, "virtualHosts")];
    hosts.sort((a, b) => compareText(String(a["name"]), String(b["name"])));
    return { ...each, routeConfig: { ...config, virtualHosts: hosts } };
  });
  return new Map([...sections, [ROUTES, { dynamicRouteConfigs }]]);
}

/** ` (RDS last loaded at Tue, 04 Aug 2020 11:52:54 IST)`; "" where there are no routes. */
function routesLoaded(envoy: ReadonlyMap<string, Section>, timeZone: string | undefined): string {
  const times = listOf(envoy.get(ROUTES), "dynamicRouteConfigs").map(each =>
    Date.parse(String(each["lastUpdated"])),
  );
  const last = Math.max(...times.filter(time => !Number.isNaN(time)));
  return last === Number.NEGATIVE_INFINITY
    ? ""
    : ` (RDS last loaded at ${rfc1123(last, timeZone)})`;
}

function rfc1123(ms: number, timeZone: string | undefined): string {
  const format = new Intl.DateTimeFormat("en-US", {
    ...{ weekday: "short", day: "2-digit", month: "short", year: "numeric" },
    ...{ hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" },
    ...{ timeZoneName: "short", timeZone },
  });
  const parts = new Map(format.formatToParts(ms).map(({ type, value }) => [type, value]));
  const part = (name: Intl.DateTimeFormatPartTypes): string => parts.get(name) ?? "";
  const date = `${part("weekday")}, ${part("day")} ${part("month")} ${part("year")}`;
  const time = `${part("hour")}:${part("minute")}:${part("second")}`;
  return `${date} ${time} ${part("timeZoneName")}`;
}

function listOf(section: Section | undefined, key: string): readonly Section[] {
  const value = section?.[key];
  return Array.isArray(value) ? (value as Section[]) : [];
}

function objectOf(value: unknown): Section {
  return typeof value === "object" && value !== null ? (value as Section) : {};
}
