/** The demo's own mesh: brought up in this process, and taken away with all that it kept. */
import { spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { endAtOnce } from "../../packages/lateen/src/bin/end-at-once.ts";
import { openLocalMesh } from "../../packages/lateen/src/bin/local-mesh.ts";
import {
  createMeshHome,
  meshHome,
  recordedState,
  runningState,
} from "../../packages/lateen/src/bin/mesh-home.ts";
import { refuseWhereImpossible } from "../../packages/lateen/src/bin/preconditions.ts";
import { startMesh } from "../../packages/lateen/src/bin/supervisor.ts";
import { UserError } from "../../packages/lateen/src/cli/command.ts";
import type { MeshAccess } from "../../packages/lateen/src/cli/context.ts";
import { systemClock } from "../../packages/lateen/src/net/clock.ts";
import { createLog } from "../../packages/lateen/src/net/log.ts";
import type { Screen } from "./screen.ts";

export const root: string = join(import.meta.dirname, "../..");
export const program: string = join(root, "bin/lateen");
const packageFile = join(root, "packages/lateen/package.json");
const { version } = JSON.parse(readFileSync(packageFile, "utf8")) as { version: string };

/** Thrown where the demo goes no further because somebody pressed Ctrl-C. */
export class Interrupted extends Error {}

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface DemoOptions {
  readonly name: string;
  readonly envoy: string | undefined;
  readonly screen: Screen;
  readonly interrupted: AbortSignal;
}

export class DemoMesh {
  readonly #options: DemoOptions;
  readonly #home: ReturnType<typeof meshHome>;
  readonly #running = new Set<() => void>();
  #stopMesh: (() => Promise<void>) | undefined;

  constructor(options: DemoOptions) {
    this.#options = options;
    this.#home = meshHome(process.env["LATEEN_HOME"], options.name);
    options.interrupted.addEventListener("abort", () => {
      for (const end of this.#running) end();
    });
  }

  get kubeconfig(): string {
    return this.#home.kubeconfigFile;
  }

  /** `address:port` of the ingress gateway. */
  get ingress(): string {
    return recordedState(this.#home)?.ingress ?? "";
  }

  /** The control plane is a child of this process, which starts it again. */
  get controlPlanePid(): number | undefined {
    const children = readText(`/proc/self/task/${process.pid}/children`);
    return children
      .split(" ")
      .filter(pid => pid !== "")
      .map(Number)
      .find(pid => readText(`/proc/${pid}/cmdline`).includes("\0discovery\0"));
  }

  access(): MeshAccess {
    return openLocalMesh(process.env["LATEEN_HOME"], this.#options.name);
  }

  async start(): Promise<void> {
    const { screen, interrupted, envoy } = this.#options;
    refuseWhereImpossible();
    await this.#takeHome();
    const mesh = await startMesh({
      home: this.#home,
      version,
      envoy,
      apiPort: 0,
      installPackages: true,
      certificateLifetimeSeconds: undefined,
      env: process.env,
      progress: line => screen.line(`   ${line}`),
      interrupted,
      log: createLog({
        format: "text",
        level: "warn",
        clock: systemClock,
        write: line => void process.stderr.write(line),
      }),
    });
    if (mesh === undefined) throw new Interrupted();
    this.#stopMesh = () => mesh.stop();
  }

  /** A mesh of that name which the demo did not make is somebody's: it stays as it is. */
  async #takeHome(): Promise<void> {
    const { name } = this.#options;
    const mark = join(this.#home.dir, "made-by-demo");
    const other = runningState(this.#home);
    if (other !== undefined) {
      throw new UserError(
        `mesh "${name}" is running already, as process ${other.supervisor.pid}`,
        `end it ('lateen down --mesh ${name}'), or: npm run demo -- --mesh OTHER`,
      );
    }
    if (existsSync(this.#home.dir) && !existsSync(mark)) {
      throw new UserError(
        `${this.#home.dir} holds a mesh that this demo did not make`,
        "choose another name: npm run demo -- --mesh OTHER",
      );
    }
    if (existsSync(mark)) await this.#purge();
    createMeshHome(this.#home);
    writeFileSync(mark, "");
  }

  /** Everything of this mesh goes: also what an earlier demo has left that was killed. */
  async stop(): Promise<void> {
    await this.#stopMesh?.();
    if (existsSync(join(this.#home.dir, "made-by-demo"))) await this.#purge();
  }

  /** Kills what runs, and forgets it. Resolves to what to say. */
  async stopAtOnce(): Promise<string> {
    const said = await endAtOnce(this.#home);
    const made = existsSync(join(this.#home.dir, "made-by-demo"));
    if (made) rmSync(this.#home.dir, { recursive: true, force: true });
    return said;
  }

  async #purge(): Promise<void> {
    const { code, stderr } = await this.#spawn(program, ["down", "--purge"]);
    if (code !== 0) throw new UserError(`the earlier demo can not be cleaned up: ${stderr}`);
  }

  /** Runs `lateen` as a person would; what it says on the error output is part of an error. */
  async lateen(words: readonly string[]): Promise<string> {
    const ran = await this.run(program, words);
    if (ran.code !== 0) {
      throw new UserError(`lateen ${words.join(" ")}: ${ran.stderr || ran.stdout}`.trimEnd());
    }
    return ran.stdout;
  }

  /** Shows the command, runs it, shows what it said. */
  async show(words: readonly string[]): Promise<void> {
    this.#options.screen.command(`lateen ${words.join(" ")}`);
    this.#options.screen.output(await this.lateen(words));
  }

  /** `lateen exec`, whatever the command's exit code is. */
  exec(words: readonly string[]): Promise<Ran> {
    return this.run(program, ["exec", ...words]);
  }

  /** Any program, with this mesh as the one that `lateen` means; throws once interrupted. */
  async run(file: string, words: readonly string[]): Promise<Ran> {
    this.throwIfInterrupted();
    const ran = await this.#spawn(file, words);
    this.throwIfInterrupted();
    return ran;
  }

  throwIfInterrupted(): void {
    if (this.#options.interrupted.aborted) throw new Interrupted();
  }

  #spawn(file: string, words: readonly string[]): Promise<Ran> {
    return new Promise((done, fail) => {
      const child = spawn(file, words, {
        cwd: root,
        env: { ...process.env, LATEEN_MESH: this.#options.name },
        stdio: ["ignore", "pipe", "pipe"],
        // Ctrl-C in the terminal is for the demo, which ends what it runs itself.
        detached: true,
      });
      let stdout = "";
      let stderr = "";
      const end = (): void => void child.kill("SIGTERM");
      this.#running.add(end);
      child.stdout.on("data", (chunk: Buffer) => {
        stdout += chunk.toString("utf8");
      });
      child.stderr.on("data", (chunk: Buffer) => {
        stderr += chunk.toString("utf8");
      });
      child.on("error", fail);
      child.on("close", code => {
        this.#running.delete(end);
        done({ code: code ?? 1, stdout, stderr });
      });
    });
  }
}

/** "" where the process has ended meanwhile. */
function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
