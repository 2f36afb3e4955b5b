/** A whole local mesh for a test: `lateen up` as a process, in a home and under a name of its own. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const root = join(import.meta.dirname, "../../../..");
const ownProgram = join(root, "packages/lateen/bin/lateen.mjs");
const READY_MS = 120_000;

/** What `ps -o json` says of a proxy. */
interface ClientConfig {
  readonly genericXdsConfigs: readonly {
    readonly typeUrl: string;
    readonly configStatus: string;
  }[];
}

export class RunningMesh {
  readonly name: string;
  readonly home: string;
  /** Host address of the ingress gateway, `ip:port` of its port 80. */
  ingress = "";
  readonly #output: string[] = [];
  readonly #program: string;
  #process: ChildProcess | undefined;

  private constructor(name: string, home: string, program: string) {
    this.#program = program;
    this.name = name;
    this.home = home;
  }

  /**
   * `suffix` tells several meshes of one test file apart; `program` is another than this checkout's
   * for `up` (other commands are always this one's).
   */
  static async start(
    extra: readonly string[] = [],
    suffix = "",
    program = ownProgram,
  ): Promise<RunningMesh> {
    const name = `t${process.pid.toString(36)}${suffix}`;
    const mesh = new RunningMesh(name, mkdtempSync(join(tmpdir(), "lateen-")), program);
    await mesh.#start(extra);
    return mesh;
  }

  /** `lateen up` once more, for a mesh whose supervisor has ended. */
  async startAgain(extra: readonly string[] = []): Promise<void> {
    this.#output.length = 0;
    await this.#start(extra);
  }

  async #start(extra: readonly string[]): Promise<void> {
    const child = spawn(process.execPath, [this.#program, "up", "--mesh", this.name, ...extra], {
      env: this.#environment(),
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process = child;
    await new Promise<void>((done, fail) => {
      const late = setTimeout(() => fail(this.#failure("is not ready in time")), READY_MS);
      const collect = (chunk: Buffer): void => {
        this.#output.push(chunk.toString("utf8"));
        const ready = /ingress gateway: http:\/\/(\S+)[\s\S]*mesh is ready/.exec(this.output);
        if (ready === null) return;
        clearTimeout(late);
        this.ingress = ready[1] ?? "";
        done();
      };
      child.stdout.on("data", collect);
      child.stderr.on("data", collect);
      child.on("exit", code => {
        clearTimeout(late);
        fail(this.#failure(`ended with code ${code}`));
      });
    });
  }

  /** All that `lateen up` has printed. */
  get output(): string {
    return this.#output.join("");
  }

  get supervisorPid(): number {
    return this.#process?.pid ?? 0;
  }

  /** Ends the supervisor as a crash would. */
  async crash(): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise(done => child.once("exit", done));
    child.kill("SIGKILL");
    await ended;
  }

  /** The process of the control plane, a child of the supervisor; undefined while there is none. */
  controlPlanePid(): number | undefined {
    const { supervisorPid } = this;
    const children = readText(`/proc/${supervisorPid}/task/${supervisorPid}/children`);
    return children
      .split(" ")
      .map(Number)
      .find(pid => readText(`/proc/${pid}/cmdline`).includes("\0discovery\0"));
  }

  /** The path of a file in the mesh's own home. */
  path(file: string): string {
    return join(this.home, this.name, file);
  }

  #failure(what: string): Error {
    return new Error(`lateen up ${what}; it printed:\n${this.output}`);
  }

  #environment(): NodeJS.ProcessEnv {
    return {
      ...process.env,
      LATEEN_HOME: this.home,
      LATEEN_MESH: this.name,
      KUBECONFIG: join(this.home, this.name, "kubeconfig"),
    };
  }

  /** Runs `lateen` with words as a person types them; a quoted word stays whole in an array. */
  lateen(words: string | readonly string[], stdin?: string): Promise<Ran> {
    return this.#run(process.execPath, [ownProgram, ...split(words)], stdin);
  }

  /** The same without waiting for its end. */
  spawn(words: string | readonly string[]): ChildProcess {
    return spawn(process.execPath, [ownProgram, ...split(words)], {
      env: this.#environment(),
      stdio: ["ignore", "pipe", "pipe"],
    });
  }

  kubectl(
    words: string | readonly string[],
    stdin?: string,
    environment: NodeJS.ProcessEnv = {},
  ): Promise<Ran> {
    return this.#run("kubectl", split(words), stdin, environment);
  }

  /** The same, but a failure of the command is a failure of the test. */
  async ok(words: string | readonly string[], stdin?: string): Promise<string> {
    const ran = await this.lateen(words, stdin);
    if (ran.code !== 0) {
      throw new Error(
        `lateen ${split(words).join(" ")}: code ${ran.code}\n${ran.stdout}${ran.stderr}`,
      );
    }
    return ran.stdout;
  }

  #run(
    file: string,
    args: readonly string[],
    stdin: string | undefined,
    environment: NodeJS.ProcessEnv = {},
  ): Promise<Ran> {
    return new Promise(done => {
      const child = execFile(
        file,
        [...args],
        {
          env: { ...this.#environment(), ...environment },
          cwd: root,
          maxBuffer: 64 * 1024 * 1024,
          timeout: 120_000,
        },
        (error, stdout, stderr) => {
          const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
          done({ code, stdout, stderr });
        },
      );
      child.stdin?.end(stdin ?? "");
    });
  }

  /** Objects of one kind as JSON, as `get -o json` prints them. */
  async json<T>(words: string): Promise<T> {
    return JSON.parse(await this.ok(`${words} -o json`)) as T;
  }

  /** Until every proxy has what it should have, as `ps` says. */
  synced(): Promise<void> {
    return this.until("every proxy is synced", async () => {
      const { resources } = await this.json<{ resources: readonly ClientConfig[] }>("ps");
      return resources.every(
        ({ genericXdsConfigs: types }) =>
          types.some(({ typeUrl }) => typeUrl.endsWith(".Cluster")) &&
          types.every(({ configStatus }) => configStatus === "SYNCED"),
      );
    });
  }

  /** Names of running pods whose name starts so. */
  async pods(prefix: string, namespace = "default"): Promise<string[]> {
    const text = await this.ok(["get", "pods", "-n", namespace, "-o", "name"]);
    return text
      .split("\n")
      .map(line => line.replace(/^pod\//, ""))
      .filter(name => name.startsWith(prefix));
  }

  /** Calls `attempt` until it says true; fails with what it last threw or said. */
  async until(what: string, attempt: () => Promise<boolean>, timeoutMs = 60_000): Promise<void> {
    const end = Date.now() + timeoutMs;
    let last: unknown;
    while (Date.now() < end) {
      try {
        if (await attempt()) return;
        last = undefined;
      } catch (error) {
        last = error;
      }
      await new Promise(done => setTimeout(done, 200));
    }
    const reason = last instanceof Error ? `: ${last.message}` : "";
    throw new Error(`${what}: not within ${timeoutMs} ms${reason}`);
  }

  /** As Ctrl-C: what was applied stays. */
  async end(): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise(done => child.once("exit", done));
    child.kill("SIGTERM");
    await ended;
  }

  async stop(): Promise<void> {
    await this.end();
    await this.lateen("down");
    rmSync(this.home, { recursive: true, force: true });
  }
}

/** Empty when it can not be read: the process has ended. */
function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

function split(words: string | readonly string[]): string[] {
  return typeof words === "string" ? words.split(" ").filter(word => word !== "") : [...words];
}

/** Why tests that make namespaces can not run here; undefined when they can. */
export function whyNoMesh(): string | undefined {
  if (process.platform !== "linux") return "a local mesh needs Linux";
  if (process.getuid?.() !== 0) return "a local mesh needs root: it makes network namespaces";
  return undefined;
}
