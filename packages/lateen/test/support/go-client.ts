import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { needsGo as goMissing, goProgram } from "./go-program.ts";

const run = promisify(execFile);
const folder = join(import.meta.dirname, "../goclient");
const BUILD_MS = 600_000;

/** Why the Go client can not be built here, for `skip`. */
export function needsGo(): string | false {
  return goMissing("for a client over grpc-go");
}

export interface GoLine {
  readonly type?: string;
  readonly version?: string;
  readonly resources: readonly string[] | null;
  readonly removed: readonly string[] | null;
  readonly code: number;
  readonly message?: string;
}

/** Runs the client; what it printed. See goclient/main.go for its flags. */
export async function runGoClient(args: readonly string[]): Promise<GoLine[]> {
  const { stdout } = await run(await goClient(), [...args], { maxBuffer: 64 << 20 });
  return stdout
    .split("\n")
    .filter(line => line !== "")
    .map(line => JSON.parse(line) as GoLine);
}

let built: Promise<string> | undefined;

/** Path of the client. */
function goClient(): Promise<string> {
  const files = ["go.mod", "go.sum", "main.go"];
  built ??= goProgram({ name: "goclient", folder, files, main: ".", buildMs: BUILD_MS });
  return built;
}
