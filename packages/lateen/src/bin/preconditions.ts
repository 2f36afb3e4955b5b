/** What has to be so before `lateen up` begins. */
import { UserError } from "../cli/command.ts";
import { ensureSystemPackages, missingPackages } from "../local/system-packages.ts";
import { type MeshHome, runningState } from "./mesh-home.ts";
import { must, type SupervisorOptions } from "./supervisor-options.ts";

/** Throws UserError where no local mesh can be. */
export function refuseWhereImpossible(): void {
  if (process.platform !== "linux") throw new UserError("a local mesh needs Linux");
  if (process.getuid?.() !== 0) {
    throw new UserError(
      "a local mesh needs root: its pods are network namespaces",
      "run it as root, or with sudo",
    );
  }
}

export function refuseSecond(home: MeshHome): void {
  const other = runningState(home);
  if (other === undefined) return;
  throw new UserError(
    `mesh "${home.name}" is running already, as process ${other.supervisor.pid}`,
    "use it, end it with 'lateen down', or start another one with --mesh NAME",
  );
}

/** Installs what is missing, or says what to install. */
export async function prepareSystem(options: SupervisorOptions): Promise<void> {
  const missing = missingPackages();
  if (missing.packages.length === 0) return;
  const names = missing.packages.join(" ");
  if (!options.installPackages) {
    throw new UserError(
      `${missing.programs.join(", ")}: not installed`,
      `install them: apt-get install ${names}`,
    );
  }
  options.progress(`installing system packages: ${names}`);
  must(await ensureSystemPackages(options.log));
}
