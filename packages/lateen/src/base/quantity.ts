/** Amounts of CPU and memory as Kubernetes writes them (kubernetes.io, "Resource Management", units). */

const QUANTITY = /^\+?(\d+(?:\.\d*)?|\.\d+)(?:([KMGTPE]i|[numkMGTPE])|[eE]([+-]?\d{1,2}))?$/;
const POWERS = ["k", "M", "G", "T", "P", "E"];
const SMALL: Readonly<Record<string, number>> = { n: 1e-9, u: 1e-6, m: 1e-3 };

/** In cores or bytes; undefined: it is no quantity, or a negative one. */
export function parseQuantity(value: unknown): number | undefined {
  if (typeof value !== "string" && typeof value !== "number") return undefined;
  const match = QUANTITY.exec(String(value));
  if (match === null) return undefined;
  const [, digits = "", unit = "", exponent = "0"] = match;
  return Number(digits) * factorOf(unit) * 10 ** Number(exponent);
}

function factorOf(unit: string): number {
  if (unit === "") return 1;
  const small = SMALL[unit];
  if (small !== undefined) return small;
  const power = 1 + POWERS.indexOf(unit === "Ki" ? "k" : unit.charAt(0));
  return (unit.endsWith("i") ? 1024 : 1000) ** power;
}
