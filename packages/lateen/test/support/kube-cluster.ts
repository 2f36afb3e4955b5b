/** A real Kubernetes cluster for a test; `scripts/kube` brings it up, docs/kubernetes-test-bed.md explains it. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { accessSync } from "node:fs";
import { join } from "node:path";
import { after, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { testImages } from "../../../../scripts/images/build.ts";
import {
  type ApiAnswer,
  type ApiRequest,
  callApi,
  isApiReady,
} from "../../../../scripts/kube/api-client.ts";
import { down, find, type RunningCluster, up } from "../../../../scripts/kube/cluster.ts";
import { startComponent, stopComponent } from "../../../../scripts/kube/control-plane.ts";
import { type Daemon, entering, lastLines } from "../../../../scripts/kube/daemons.ts";
import { addFakeNodes } from "../../../../scripts/kube/kwok.ts";
import { missingForKubernetes } from "../../../../scripts/kube/needs.ts";
import { importImage, type ProxyMode } from "../../../../scripts/kube/node.ts";
import { type ClusterMode, type ClusterPlan, pathsOf } from "../../../../scripts/kube/plan.ts";
import { silent } from "../../../../scripts/kube/progress.ts";
import { SHARED_CLUSTER } from "../../../../scripts/kube/shared-cluster.ts";
import { isAlive } from "../../src/local/proc.ts";
import { objectAt, stringAt } from "../../src/sources/json.ts";
import { KubeNamespace } from "./kube-namespace.ts";

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string;
  readonly timeoutMs?: number;
  /** Beside the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
}

export type Component = "etcd" | "kube-apiserver" | "kube-controller-manager" | "kube-scheduler";

/** Nothing takes so long on an idle machine; on a small one that pulls and compiles it may. */
const COMMAND_MS = 150_000;
const MAX_OUTPUT = 64 << 20;
const POLL_MS = 100;

/** Why there can be no cluster here, for `skip`. */
export const needsKubernetes: (mode?: ClusterMode) => string | false = missingForKubernetes;

let shared: Promise<KubeCluster> | undefined;
const own: string[] = [];
// Here, not where a cluster is made: a hook that is added within a test is that test's.
after(async () => {
  for (const name of own) await down(name);
});

/**
 * The cluster that all test files of a run share: a node, and the images of Lateen and of the samples.
 * A file that runs alone brings up one of its own. It is taken away when the run, or the file, is over.
 */
export function kubeCluster(): Promise<KubeCluster> {
  shared ??= findShared();
  return shared;
}

export interface OwnCluster {
  readonly mode?: ClusterMode;
  readonly proxyMode?: ProxyMode;
  readonly dualStack?: boolean;
  /** Tells several of one file apart. */
  readonly suffix?: string;
}

/**
 * A cluster for this file alone, taken away after its last test: for tests that break things, and for
 * those that need no node (`control-plane`: up within five seconds, without root).
 */
export async function ownKubeCluster(options: OwnCluster = {}): Promise<KubeCluster> {
  const { mode = "node", suffix = "", ...rest } = options;
  const name = `t${process.pid}${suffix}`;
  own.push(name);
  const images = mode === "node" ? { images: testImages } : {};
  return new KubeCluster(
    await up({ ...rest, name, mode, owned: true, progress: silent, ...images }),
  );
}

function findShared(): Promise<KubeCluster> {
  const name = process.env[SHARED_CLUSTER];
  if (name === undefined) return ownKubeCluster({ suffix: "-shared" });
  const found = find(name);
  assert.ok(found, `${SHARED_CLUSTER} names ${name}, and there is no such cluster`);
  return Promise.resolve(new KubeCluster(found));
}

export class KubeCluster {
  readonly plan: ClusterPlan;
  /** Path of the administrator's. */
  readonly kubeconfig: string;
  readonly #binaries: string;

  constructor({ plan, binaries }: RunningCluster) {
    this.plan = plan;
    this.#binaries = binaries;
    this.kubeconfig = pathsOf(plan).kubeconfig;
    accessSync(this.kubeconfig);
  }

  /** URL of the API server. */
  get server(): string {
    return `https://${this.plan.address}:${this.plan.ports.api}`;
  }

  /** Runs kubectl as the administrator. Never rejects: what went wrong is in the result. */
  kubectl(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
    const all = ["--kubeconfig", this.kubeconfig, ...args];
    return run(join(this.#binaries, "kubectl"), all, options);
  }

  /** What kubectl printed; fails the test where kubectl fails. */
  async must(args: readonly string[], options: RunOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.kubectl(args, options);
    assert.equal(code, 0, `kubectl ${args.join(" ")}: ${stderr.trim() || stdout.trim()}`);
    return stdout;
  }

  /** `kubectl apply` of YAML; more flags may follow, e.g. `-n`, `default`. */
  apply(yaml: string, ...flags: readonly string[]): Promise<string> {
    return this.must(["apply", ...flags, "-f", "-"], { input: yaml });
  }

  /** One request to the API server as the administrator; status 0 when it does not answer. */
  api(request: ApiRequest): Promise<ApiAnswer> {
    return callApi(this.plan, request);
  }

  /** A namespace of its own for a test, deleted after it. */
  async namespace(
    t: TestContext,
    labels: Readonly<Record<string, string>> = {},
  ): Promise<KubeNamespace> {
    const metadata = { generateName: "test-", labels };
    const path = "/api/v1/namespaces";
    const answer = await this.api({ method: "POST", path, body: { metadata } });
    assert.equal(answer.status, 201, answer.text);
    const name = stringAt(objectAt(answer.body, "metadata"), "name");
    t.after(() => this.api({ method: "DELETE", path: `${path}/${name}` }));
    const account = `${path}/${name}/serviceaccounts/default`;
    await this.until(`namespace ${name} is usable`, async () => {
      const { status } = await this.api({ path: account });
      return status === 200 ? true : undefined;
    });
    return new KubeNamespace(this, name);
  }

  /** Puts an image archive into the node's containerd, where pods find it. */
  loadImage(archive: string): Promise<void> {
    return importImage(this.plan, archive);
  }

  /** Nodes that are not there, for 110 pods each; what pods need to get there is in kwok.ts. */
  addFakeNodes(count: number): Promise<void> {
    return addFakeNodes(this.plan, this.#binaries, count);
  }

  /** Runs a program of this machine in the node's network namespace. */
  inNode(command: readonly string[], options: RunOptions = {}): Promise<Ran> {
    const [program = "", ...args] = [...entering(this.plan, "network"), ...command];
    return run(program, args, options);
  }

  /** Ends a program of the control plane; the cluster goes on without it. */
  stop(component: Component, signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    return stopComponent(this.plan, component, signal);
  }

  /**
   * Starts what was stopped, in this order; returns when the API server is ready. What ends before that
   * is started again, as every node does with its control plane.
   */
  async start(...components: readonly Component[]): Promise<void> {
    const running = new Map(components.map(each => [each, this.#start(each)]));
    await this.until("the API server is ready", async () => {
      for (const [component, daemon] of running) {
        if (isAlive(daemon)) continue;
        const last = this.log(component, 8);
        running.set(component, this.#start(component));
        throw new Error(`${component} ended: ${last}`);
      }
      if (await isApiReady(this.plan)) return true;
      throw new Error(components.map(each => `${each}:\n${this.log(each, 8)}`).join("\n"));
    });
  }

  #start(component: Component): Daemon {
    return startComponent(this.plan, this.#binaries, component);
  }

  /** The end of a daemon's log: `kubelet`, `containerd`, `kube-apiserver`, ... */
  log(daemon: string, lines = 40): string {
    return lastLines(this.plan, daemon, lines);
  }

  /** Until `attempt` gives something; fails the test, with the last error, where it does not in time. */
  async until<T>(
    what: string,
    attempt: () => Promise<T | undefined>,
    timeoutMs = COMMAND_MS,
  ): Promise<T> {
    const end = Date.now() + timeoutMs;
    let last: unknown;
    while (Date.now() < end) {
      try {
        const found = await attempt();
        if (found !== undefined) return found;
      } catch (error) {
        last = error;
      }
      await sleep(POLL_MS);
    }
    const reason = last instanceof Error ? `: ${last.message}` : "";
    assert.fail(`${what}: not within ${timeoutMs / 1000} seconds${reason}`);
  }
}

function run(file: string, args: readonly string[], options: RunOptions): Promise<Ran> {
  const { input = "", timeoutMs = COMMAND_MS } = options;
  return new Promise(done => {
    const env = { ...process.env, ...options.env };
    const settings = { timeout: timeoutMs, maxBuffer: MAX_OUTPUT, env };
    const child = execFile(file, [...args], settings, (error, stdout, stderr) => {
      const code = typeof error?.code === "number" ? error.code : error === null ? 0 : -1;
      done({ code, stdout, stderr });
    });
    child.stdin?.on("error", () => {});
    child.stdin?.end(input);
  });
}
