/** Why a container's program did not even begin, in the words of Kubernetes' runtimes. */
import type { ContainerCommand } from "./container-process.ts";

/** Of env(1) and setpriv(1): what could not be run, what was not found, and what failed before. */
const CODES: ReadonlySet<number> = new Set([125, 126, 127]);
/** The programs that lead to the container's; what one of them says last is why it ended. */
const SAYS = /^(?:\S*\/)?(env|setpriv|setsid|nsenter|sh): (.*)$/;

/** `lastLine`: of its output. undefined: it did begin. */
export function startProblem(
  { argv, workingDir }: Pick<ContainerCommand, "argv" | "workingDir">,
  code: number,
  lastLine: string,
): string | undefined {
  if (!CODES.has(code)) return undefined;
  const said = SAYS.exec(lastLine);
  if (said === null) return undefined;
  const [, by, text = ""] = said;
  // A script of the container's own that calls what is not there has begun.
  if (by === "sh") return undefined;
  const prefix = "unable to start container process:";
  if (by === "env" && text.startsWith("cannot change directory"))
    return `${prefix} chdir to cwd (${JSON.stringify(workingDir)}): ${reasonIn(text)}`;
  const [program = ""] = argv;
  if (by !== "env") return `${prefix} ${text}`;
  const bare = !program.includes("/");
  const notFound = bare && /No such file/.test(text);
  return `${prefix} exec: ${JSON.stringify(program)}: ${
    notFound ? "executable file not found in $PATH" : reasonIn(text)
  }`;
}

function reasonIn(text: string): string {
  const reason = text.slice(text.lastIndexOf(": ") + 2);
  return reason.charAt(0).toLowerCase() + reason.slice(1);
}
