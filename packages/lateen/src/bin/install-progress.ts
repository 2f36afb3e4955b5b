/** Progress of an installation: ticks on standard output; on a terminal also what is being waited for. */
import type { CliContext } from "../cli/context.ts";
import type { Progress } from "../install/install.ts";

const CLEAR_LINE = "\r\u001b[K";

export function terminalProgress(ctx: CliContext): Progress {
  const isTerminal = process.stdout.isTTY === true;
  let shown = false;
  const clear = (): void => {
    if (shown) ctx.stdout.write(CLEAR_LINE);
    shown = false;
  };
  return {
    working(_component, text) {
      if (!isTerminal) return;
      const columns = process.stdout.columns;
      const line = `- ${text}`;
      ctx.stdout.write(CLEAR_LINE + (columns > 0 ? line.slice(0, columns - 1) : line));
      shown = true;
    },
    done(component) {
      clear();
      ctx.stdout.write(`✔ ${component} installed\n`);
    },
    warn(text) {
      clear();
      ctx.stderr.write(`${text}\n`);
    },
  };
}
