import type { Result } from "../base/diagnostic.ts";
import type { Log } from "../base/log.ts";
import { complaint, runCommand } from "./command.ts";
import { searchPath } from "./envoy-binary.ts";
import { SYSTEM_PATH } from "./sandbox.ts";

/** Programs that the local runtime calls, and the Debian packages that bring them. */
const PROGRAMS: readonly (readonly [program: string, debianPackage: string])[] = [
  ["ip", "iproute2"],
  ["iptables-restore", "iptables"],
  ["nft", "nftables"],
  ["nsenter", "util-linux"],
  ["unshare", "util-linux"],
  ["setpriv", "util-linux"],
  ["setsid", "util-linux"],
  ["pivot_root", "util-linux"],
  ["mount", "mount"],
  ["umount", "mount"],
  ["hostname", "hostname"],
  ["env", "coreutils"],
  ["sleep", "coreutils"],
];
const INSTALL_TIMEOUT_MS = 300_000;

export interface MissingPackages {
  readonly programs: readonly string[];
  readonly packages: readonly string[];
}

/** Programs that are not installed, and the packages that have them. */
export function missingPackages(path: string = SYSTEM_PATH): MissingPackages {
  const missing = PROGRAMS.filter(([program]) => searchPath(program, path) === undefined);
  return {
    programs: missing.map(([program]) => program),
    packages: [...new Set(missing.map(([, debianPackage]) => debianPackage))],
  };
}

/** Installs what is missing with apt. The caller has said what will be installed, and may. */
export async function ensureSystemPackages(log: Log): Promise<Result<MissingPackages>> {
  const missing = missingPackages();
  if (missing.packages.length === 0) return { ok: true, value: missing, diagnostics: [] };
  const names = missing.packages.join(" ");
  if (searchPath("apt-get", SYSTEM_PATH) === undefined)
    return failure(`${missing.programs.join(", ")}: not installed; install ${names}`);
  log.info("installing system packages", { packages: names });
  const env = { PATH: SYSTEM_PATH, DEBIAN_FRONTEND: "noninteractive" };
  const options = { env, timeoutMs: INSTALL_TIMEOUT_MS };
  const install = ["install", "-y", "--no-install-recommends", ...missing.packages];
  let result = await runCommand("apt-get", install, options);
  if (result.code !== 0) {
    await runCommand("apt-get", ["update"], options);
    result = await runCommand("apt-get", install, options);
  }
  const still = missingPackages();
  if (result.code === 0 && still.packages.length === 0)
    return { ok: true, value: missing, diagnostics: [] };
  return failure(`could not install ${names} with apt-get: ${complaint(result)}`);
}

/** What keeps the local runtime from working here, each with what to do. */
export function localRequirements(): readonly string[] {
  const problems: string[] = [];
  if (process.platform !== "linux") problems.push("the local mesh needs Linux");
  if (process.getuid?.() !== 0)
    problems.push("the local mesh needs root, for network namespaces; use sudo");
  const { programs, packages } = missingPackages();
  if (programs.length > 0)
    problems.push(`${programs.join(", ")}: not installed; apt-get install ${packages.join(" ")}`);
  return problems;
}

function failure(message: string): Result<MissingPackages> {
  return {
    ok: false,
    diagnostics: [{ severity: "error", path: "", message, reason: "MissingPackages" }],
  };
}
