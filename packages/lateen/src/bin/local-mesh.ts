/** The way of the other commands into a mesh that `lateen up` runs on this machine. */
import { spawn } from "node:child_process";
import type { Result } from "../base/diagnostic.ts";
import { UserError } from "../cli/command.ts";
import type {
  ApiAnswer,
  ApiCall,
  Following,
  Forward,
  MeshAccess,
  PodRef,
  ReadingText,
} from "../cli/context.ts";
import { requestInside } from "../local/dial-inside.ts";
import { execCommand, findSandbox } from "../local/pod-processes.ts";
import { forwardPort } from "../local/port-forward.ts";
import { ProxyPort } from "../proxy/ports.ts";
import type { Transport } from "../sources/client/transport.ts";
import { callApi, followApi } from "./call-api.ts";
import { httpGet } from "./http-get.ts";
import {
  chosenMesh,
  DEFAULT_MESH,
  isHidden,
  type MeshHome,
  type MeshState,
  meshHome,
  recordedState,
  runningMeshes,
  runningState,
} from "./mesh-home.ts";

const ADMIN_TIMEOUT_MS = 20_000;
const LISTEN_PROBLEMS: Readonly<Record<string, string>> = {
  EADDRINUSE: "address already in use",
  EADDRNOTAVAIL: "this machine does not have the address",
  EACCES: "permission denied",
};

export interface LocalMeshOptions {
  /** Where a cluster was looked for before. */
  readonly kubeconfigs?: readonly string[];
  /** Of Envoys' admin interface. */
  readonly adminPort?: number;
}

/** `named`: by flag or environment; without it the only one that runs is meant. */
export function openLocalMesh(
  home: string | undefined,
  named: string | undefined,
  { kubeconfigs = [], adminPort = ProxyPort.admin }: LocalMeshOptions = {},
): MeshAccess {
  const place = meshHome(home, meshNameOf(home, named));
  const state = runningState(place);
  if (state === undefined) throw noMesh(home, place, named !== undefined, kubeconfigs);
  return new LocalMesh(place, state, adminPort);
}

/** Throws UserError where several meshes run and none was named. */
export function meshNameOf(home: string | undefined, named: string | undefined): string {
  const chosen = chosenMesh(home, named);
  if ("name" in chosen) return chosen.name;
  throw new UserError(
    `which mesh? ${chosen.ambiguous.length} are running: ${chosen.ambiguous.join(", ")}`,
    "choose one with --mesh NAME, or with LATEEN_MESH in the environment",
  );
}

function noMesh(
  home: string | undefined,
  place: MeshHome,
  named: boolean,
  kubeconfigs: readonly string[],
): UserError {
  if (isHidden(home))
    return new UserError(
      "what meshes of this machine keep is not for this user to read",
      "local meshes are root's: run it with sudo",
    );
  const { name } = place;
  const flag = name === DEFAULT_MESH ? "" : ` --mesh ${name}`;
  const crashed = recordedState(place);
  if (crashed !== undefined) {
    return new UserError(
      `mesh "${name}" is not running: its process ${crashed.supervisor.pid} has died`,
      `bring it back with 'lateen up${flag}', or clean up what it has left with 'lateen down${flag}'`,
    );
  }
  const others = runningMeshes(home);
  if (named || others.length > 0) {
    return new UserError(
      `no mesh "${name}" is running on this machine`,
      others.length > 0
        ? `running: ${others.join(", ")}; choose one with --mesh`
        : `start it with 'lateen up${flag}'`,
    );
  }
  const cluster =
    kubeconfigs.length === 0
      ? ""
      : `; or --kubeconfig FILE names a cluster: there is none at ${kubeconfigs.join(", ")}`;
  return new UserError(
    "no mesh is running on this machine",
    `start one with 'lateen up'${cluster}`,
  );
}

class LocalMesh implements MeshAccess {
  readonly #home: MeshHome;
  readonly #state: MeshState;
  readonly #adminPort: number;
  #transport: Promise<Transport> | undefined;

  constructor(home: MeshHome, state: MeshState, adminPort: number) {
    this.#adminPort = adminPort;
    this.#home = home;
    this.#state = state;
  }

  async api(call: ApiCall): Promise<ApiAnswer> {
    this.#transport ??= this.#openTransport();
    return callApi(await this.#transport, call);
  }

  async follow(call: ApiCall, following: Following): Promise<ApiAnswer | undefined> {
    this.#transport ??= this.#openTransport();
    return followApi(await this.#transport, call, following);
  }

  async readText(call: ApiCall, reading: ReadingText): Promise<ApiAnswer | undefined> {
    this.#transport ??= this.#openTransport();
    return followApi(await this.#transport, call, reading);
  }

  async #openTransport(): Promise<Transport> {
    const { url, token, ca } = this.#state.api;
    // Loaded only here: TLS is not needed to ask the control plane.
    const { httpTransport } = await import("../sources/client/http-transport.ts");
    return httpTransport({ server: url, token: () => token, ca });
  }

  async envoyAdmin(pod: PodRef, method: "GET" | "POST", path: string): Promise<string> {
    const sandbox = must(findSandbox(this.#home.runtimeDir, pod));
    const request = { method, path: `/${path}`, timeoutMs: ADMIN_TIMEOUT_MS };
    const answer = await requestInside(sandbox.pid, this.#adminPort, request).catch(
      (error: unknown) => {
        throw new UserError(
          `the Envoy of pod ${pod.name} in namespace ${pod.namespace} does not answer: ${reasonOf(error)}`,
          `does the pod have a sidecar? 'lateen get pod ${pod.name} -n ${pod.namespace}' shows 2/2`,
        );
      },
    );
    if (answer.status !== 200) {
      throw new UserError(`Envoy answered ${answer.status} to ${path}: ${answer.body.trim()}`);
    }
    return answer.body;
  }

  async discoveryDebug(path: string): Promise<ReadonlyMap<string, string>> {
    const { debugUrl } = this.#state;
    try {
      const version = JSON.parse(await httpGet(`${debugUrl}/version`)) as { instance: string };
      return new Map([[version.instance, await httpGet(debugUrl + path)]]);
    } catch (error) {
      throw new UserError(
        `the control plane at ${debugUrl} does not answer: ${reasonOf(error)}`,
        "'lateen up' starts it again by itself; until then proxies work with what they have, and " +
          `those that start are not ready (log: ${this.#home.logFile})`,
      );
    }
  }

  async forward(pod: PodRef, options: Forward): ReturnType<MeshAccess["forward"]> {
    const sandboxPid = (): number | undefined => {
      const found = findSandbox(this.#home.runtimeDir, pod);
      return found.ok ? found.value.pid : undefined;
    };
    must(findSandbox(this.#home.runtimeDir, pod));
    try {
      return await forwardPort({ ...options, sandboxPid });
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? "";
      return { problem: LISTEN_PROBLEMS[code] ?? reasonOf(error) };
    }
  }

  async exec(pod: PodRef, io: Parameters<MeshAccess["exec"]>[1]): Promise<number> {
    const { file, args, env } = must(
      await execCommand(this.#home.runtimeDir, pod, io.container, io.command, io.tty),
    );
    // Ctrl-C is for the program: this process ends with it, not before.
    process.on("SIGINT", () => {});
    return new Promise((done, fail) => {
      const child = spawn(file, args, {
        env,
        stdio: [io.stdin ? "inherit" : "ignore", "inherit", "inherit"],
      });
      child.on("error", fail);
      child.on("exit", (code, signal) => done(code ?? (signal ? 128 : 1)));
    });
  }
}

function must<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw new UserError(result.diagnostics.map(each => each.message).join("; "));
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause;
  return cause instanceof Error && cause.message !== "" ? cause.message : error.message;
}
