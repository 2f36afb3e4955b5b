/**
 * What the containers of a pod run in: one network, and two views of files and processes, the
 * applications' and the proxy's. Only the proxy's holds what the pod's identity is proven with.
 */
import { lstatSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import type { Container } from "../api/pod/container.ts";
import type { Pod } from "../api/pod/schema.ts";
import { complaint } from "./command.ts";
import type { Look } from "./mount-plan.ts";
import { mountScript } from "./mount-script.ts";
import { pause } from "./pause.ts";
import type { PodContext } from "./pod-context.ts";
import { type NamingOptions, PodFiles, PodPath } from "./pod-files.ts";
import { isAlive, killAll, processesIn } from "./proc.ts";
import { runInside, type Sandbox, startSandbox } from "./sandbox.ts";
import { planBinds, planFiles, type VolumeBind } from "./volumes.ts";

export const PROXY_CONTAINER = "istio-proxy";
const VOLUME_POLL_MS = 500;
const END_POLL_MS = 10;
const END_ROUNDS = 200;

export interface Problem {
  /** As in the kubelet's Events. */
  readonly reason: string;
  readonly message: string;
  /** Nothing that may come later would help. */
  readonly final: boolean;
}

/** Who else wants to know while it is being made. */
export interface Waiting {
  /** True: nobody wants it any more. */
  stopped(): boolean;
  /** Something is missing, and waited for; undefined: it has come. */
  missing(problem: Problem | undefined): void;
}

interface View {
  readonly sandbox: Sandbox;
  readonly files: PodFiles;
  readonly programs: Readonly<Record<string, string>>;
  readonly naming: Readonly<Record<string, string>>;
  readonly volumes: readonly VolumeBind[];
}

export class PodNamespaces {
  readonly #pod: Pod;
  readonly #context: PodContext;
  /** All that were made, of which a view may not have become something. */
  #sandboxes: Sandbox[] = [];
  #apps: View | undefined;
  #proxy: View | undefined;

  constructor(pod: Pod, context: PodContext) {
    this.#pod = pod;
    this.#context = context;
  }

  /** Of the applications; the network is the proxy's, too. */
  get sandbox(): Sandbox | undefined {
    return this.#apps?.sandbox;
  }

  /** Where the proxy's files are; undefined without a proxy. */
  get proxyFiles(): PodFiles | undefined {
    return this.#proxy?.files;
  }

  sandboxOf(container: string): Sandbox | undefined {
    return (container === PROXY_CONTAINER ? this.#proxy : this.#apps)?.sandbox;
  }

  /** Makes them, with the volumes' content; `mount` comes when the network is there. */
  async open(naming: NamingOptions, waiting: Waiting): Promise<Problem | undefined> {
    const { containers, initContainers = [] } = this.#pod.spec;
    const all = [...initContainers, ...containers];
    const isProxy = (container: Container): boolean => container.name === PROXY_CONTAINER;
    const apps = planBinds(
      this.#pod,
      all.filter(each => !isProxy(each)),
      lookHere,
    );
    if (!apps.ok) return refused(apps.message);
    const proxy = planBinds(this.#pod, all.filter(isProxy), lookHere);
    if (!proxy.ok) return refused(proxy.message);
    const name = `${naming.namespace}/${this.#pod.metadata.name}`;
    const { envoy } = this.#context;
    const node = { [join(PodPath.programs, "node")]: process.execPath };
    const opened = await this.#view(`pod ${name}`, naming, node, apps.binds);
    if ("message" in opened) return opened;
    this.#apps = opened;
    if (all.some(isProxy)) {
      const programs = { ...node, [PodPath.envoy]: envoy };
      const more = await this.#view(`proxy of ${name}`, naming, programs, proxy.binds);
      if ("message" in more) return more;
      this.#proxy = more;
      more.files.prepareProxy(this.#context.discoveryServerName);
    }
    return await this.#fill(opened.files, waiting);
  }

  async #view(
    role: string,
    naming: NamingOptions,
    programs: Readonly<Record<string, string>>,
    volumes: readonly VolumeBind[],
  ): Promise<View | Problem> {
    const pod = this.#apps?.sandbox;
    const sandbox = await startSandbox(this.#context.record, "pod", role, "ignore", pod);
    if ("error" in sandbox) return later("FailedCreatePodSandBox", sandbox.error);
    this.#sandboxes.push(sandbox);
    const files = new PodFiles(sandbox.process.pid);
    files.preparePrograms(programs);
    return { sandbox, files, programs, naming: files.prepareNaming(naming), volumes };
  }

  /** Waits for ConfigMaps and Secrets that are not there yet, as the kubelet does. */
  async #fill(files: PodFiles, waiting: Waiting): Promise<Problem | undefined> {
    let said = "";
    for (;;) {
      const { namespace } = this.#pod.metadata;
      const plan = planFiles(this.#pod, (kind, name) => this.#context.data(kind, namespace, name));
      if (plan.ok) {
        for (const directory of plan.directories) files.makeDirectory(directory);
        for (const { path, content } of plan.files) files.write(path, content);
        waiting.missing(undefined);
        return undefined;
      }
      if (!plan.retry) return refused(plan.message);
      if (waiting.stopped()) return later("FailedMount", plan.message);
      if (said !== plan.message) waiting.missing(later("FailedMount", plan.message));
      said = plan.message;
      await pause(VOLUME_POLL_MS);
    }
  }

  /** Mounts what is the pod's own, in both views. */
  async mount(): Promise<Problem | undefined> {
    const { hidden, home } = this.#context;
    for (const view of [this.#apps, this.#proxy]) {
      if (view === undefined) continue;
      const { programs, naming, volumes, sandbox } = view;
      const script = mountScript({ programs, naming, volumes, kept: home, hidden });
      const done = await runInside(sandbox, "pod", script);
      if (done.code !== 0) return later("FailedMount", complaint(done));
    }
    return undefined;
  }

  /** Ends all that runs in them. They can be opened again. */
  async end(): Promise<void> {
    const sandboxes = this.#sandboxes.splice(0);
    this.#apps = undefined;
    this.#proxy = undefined;
    const namespaces = new Set(sandboxes.map(sandbox => sandbox.networkNamespace));
    const holders = sandboxes.flatMap(({ process, init = process }) => [process, init]);
    for (let round = 0; round < END_ROUNDS && holders.some(isAlive); round++) {
      killAll(processesIn(namespaces, `LATEEN_POD=${this.#pod.metadata.uid}`));
      await pause(END_POLL_MS);
    }
  }
}

const lookHere: Look = path => {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return undefined;
  if (found.isSymbolicLink()) return { link: readlinkSync(path) };
  return found.isDirectory() ? "directory" : "other";
};

function refused(message: string): Problem {
  return { reason: "FailedMount", message, final: true };
}

function later(reason: string, message: string): Problem {
  return { reason, message, final: false };
}
