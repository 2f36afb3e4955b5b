/** Kubernetes' limit on the values of a ConfigMap or Secret (core/v1 MaxSecretSize). */
import type { Report } from "./report.ts";

const MAX_DATA_BYTES = 1024 * 1024;

/** Counts the values and not their keys, those in base64 as the bytes that they stand for. */
export function checkDataSize(
  values: { readonly text: Iterable<string>; readonly base64: Iterable<string> },
  report: Report,
): void {
  let bytes = 0;
  for (const value of values.text) bytes += Buffer.byteLength(value);
  for (const value of values.base64) bytes += Buffer.byteLength(value, "base64");
  if (bytes <= MAX_DATA_BYTES) return;
  const want = `may not be more than ${MAX_DATA_BYTES} bytes`;
  report.error("data", "TooLong", `Too long: found ${bytes} bytes in all values, ${want}`);
}
