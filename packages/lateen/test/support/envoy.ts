import { silentLog } from "../../src/base/log.ts";
import { findEnvoy } from "../../src/local/envoy-binary.ts";

let found: Promise<string> | undefined;

/** Path of the Envoy that tests run; fetched once into Lateen's cache. Fails the test where it cannot. */
export function envoyBinary(): Promise<string> {
  found ??= find();
  return found;
}

async function find(): Promise<string> {
  const result = await findEnvoy({ env: process.env, log: silentLog });
  if (result.ok) return result.value.path;
  throw new Error(result.diagnostics.map(d => d.message).join("\n"));
}
