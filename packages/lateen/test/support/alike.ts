/**
 * What kubectl and lateen print, without what no two clusters have in common, to be compared with what
 * somebody's terminal showed: every line of both goes through here, and nothing else is left out.
 */

/** Letters and digits of names that Kubernetes makes up. */
const MADE_UP = "[bcdfghjklmnpqrstvwxz2-9]";

const PLACEHOLDERS: readonly (readonly [RegExp, string])[] = [
  // demoappv10-54757f48d6-77g4l: of a ReplicaSet and its pod
  [new RegExp(`-${MADE_UP}{6,10}-${MADE_UP}{5}\\b`, "g"), "-POD"],
  // 10.100.77.133, but neither 0.0.0.0 nor loopback
  [/\b(?!0\.0\.0\.0|127\.)\d+\.\d+\.\d+\.\d+\b/g, "ADDRESS"],
  // 80:31697/TCP: a node's port
  [/:3\d{4}\/TCP/g, ":NODEPORT/TCP"],
  // 1.14.3: of the mesh
  [/\b(1\.1[24]\.\d+|0\.1\.0)\b/g, "VERSION"],
  // 2m22s, a column of its own
  [/ (\d+[dhms])+(?= {2}|$)/, " AGE"],
  [/^date: .+/, "date: NOW"],
  // what pads a column
  [/ {2,}/g, "  "],
];

/** Its lines, each without what pads the last column; empty ones and margins left out. */
export function alike(text: string): string[] {
  const lines = text.split("\n").map(line => line.trim());
  return lines
    .filter(line => line !== "")
    .map(line => PLACEHOLDERS.reduce((rest, [found, name]) => rest.replace(found, name), line));
}
