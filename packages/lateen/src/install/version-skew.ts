/** What it means to go from one version to another: Istio supports one minor version at a time. */

interface Version {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
}

/** `1.2`, `1.2.3`, `v1.2.3-rc.1`; undefined for anything else. */
function parse(text: string): Version | undefined {
  const match = /^v?(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?(?:[-+][\w.+-]*)?$/.exec(text);
  if (match === null) return undefined;
  const [, major, minor, patch = "0"] = match;
  return { major: Number(major), minor: Number(minor), patch: Number(patch) };
}

/** `leap`: versions in between would be left out. */
export type Skew = "same" | "upgrade" | "leap" | "downgrade" | "unknown";

export function skewOf(from: string, to: string): Skew {
  const [a, b] = [parse(from), parse(to)];
  if (a === undefined || b === undefined) return "unknown";
  const order = b.major - a.major || b.minor - a.minor || b.patch - a.patch;
  if (order < 0) return "downgrade";
  if (b.major > a.major || b.minor - a.minor > 1) return "leap";
  return from === to ? "same" : "upgrade";
}

/** For a person before going there; undefined where there is nothing to say. */
export function skewWarning(from: string, to: string): string | undefined {
  switch (skewOf(from, to)) {
    case "downgrade":
      return `${from} is newer than this program (${to}): proxies and control plane would go back`;
    case "leap":
      return `from ${from} to ${to} is more than one minor version: take those in between first, or a revision beside it`;
    default:
      return undefined;
  }
}
