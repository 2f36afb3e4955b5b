/** Further names of the control plane, from Istio's environment variable. */
import { dnsSubdomain } from "../api/names.ts";
import { UserError } from "../cli/command.ts";

const CUSTOM_HOSTS = "ISTIOD_CUSTOM_HOST";

/**
 * DNS names, with commas between them, that proxies may dial by their `discoveryAddress`: they are
 * in the control plane's certificate. Throws UserError where one is no name.
 */
export function customHostsFrom(
  env: Readonly<Record<string, string | undefined>>,
): readonly string[] {
  const hosts = (env[CUSTOM_HOSTS] ?? "")
    .split(",")
    .map(host => host.trim())
    .filter(host => host !== "");
  for (const host of hosts) {
    const expected = dnsSubdomain(host);
    if (expected !== undefined)
      throw new UserError(`${CUSTOM_HOSTS}: found "${host}"; expected ${expected}`);
  }
  return [...new Set(hosts)];
}
