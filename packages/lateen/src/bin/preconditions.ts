/** What has to be so before `lateen up` begins. */
import { UserError } from "../cli/command.ts";
import { ensureInotifyInstances } from "../local/inotify.ts";
import { ensureSystemPackages, missingPackages } from "../local/system-packages.ts";
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

/** Installs what is missing, or says what to install; the machine's limits hold many Envoys. */
export async function prepareSystem(options: SupervisorOptions): Promise<void> {
  await installPackages(options);
  const inotify = ensureInotifyInstances();
  if (inotify.kind === "raised") {
    const { from, to } = inotify;
    options.progress(`fs.inotify.max_user_instances: raised from ${from} to ${to} for Envoys`);
  } else if (inotify.kind === "low") {
    options.progress(
      `fs.inotify.max_user_instances is ${inotify.limit} and can not be raised from here: an Envoy ` +
        `takes four. For more than ${Math.floor(inotify.limit / 4)}: sysctl -w fs.inotify.max_user_instances=${inotify.wanted}`,
    );
  }
}

async function installPackages(options: SupervisorOptions): Promise<void> {
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
