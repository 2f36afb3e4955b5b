/** All commands of the `lateen` program. */
import { createRoot } from "../cli/main.ts";
import { discoveryCommand } from "./discovery-command.ts";
import { downCommand } from "./down-command.ts";
import { installCommand, runInstall, upgradeCommand } from "./install-command.ts";
import { kubeInjectCommand } from "./kube-inject-command.ts";
import { manifestCommand } from "./manifest-command.ts";
import { precheckCommand } from "./precheck-command.ts";
import { profileCommand } from "./profile-command.ts";
import { tagCommand } from "./tag-command.ts";
import { uninstallCommand } from "./uninstall-command.ts";
import { upCommand } from "./up-command.ts";
import { verifyInstallCommand } from "./verify-install-command.ts";

export const root = createRoot(
  [
    upCommand,
    downCommand,
    discoveryCommand,
    kubeInjectCommand,
    installCommand,
    upgradeCommand,
    manifestCommand,
    profileCommand,
    uninstallCommand,
    tagCommand,
    verifyInstallCommand,
  ],
  { experimental: [precheckCommand, uninstallCommand], install: runInstall },
);
