import { rmSync } from "node:fs";
import { join } from "node:path";
import type { JsonObject } from "../api/kind.ts";
import type { Container } from "../api/pod/container.ts";
import type { Pod } from "../api/pod/schema.ts";
import { readInterception } from "../proxy/interception.ts";
import { ProxyPort } from "../proxy/ports.ts";
import { runCommand } from "./command.ts";
import { RunningContainer } from "./container.ts";
import { type CommandResult, containerCommand } from "./container-command.ts";
import { type ContainerCommand, enterCommand } from "./container-process.ts";
import { requestInside } from "./dial-inside.ts";
import { envoyPorts, takenPorts, takenPortsMessage } from "./envoy-ports.ts";
import { runHandler } from "./lifecycle.ts";
import { LogFile } from "./log-file.ts";
import { pause } from "./pause.ts";
import type { PodContext } from "./pod-context.ts";
import type { NamingOptions } from "./pod-files.ts";
import { ContainerHealth, type ProbeName } from "./pod-health.ts";
import { PodNamespaces, PROXY_CONTAINER, type Problem } from "./pod-namespaces.ts";
import { connectPod } from "./pod-network.ts";
import { PodSecrets } from "./pod-secrets.ts";
import { type ConditionTimes, type ContainerView, type PodView, podStatus } from "./pod-status.ts";
import type { ProbeTarget } from "./probe-check.ts";

const LOG_CHECK_MS = 1_000;
const CHECKS_A_ROTATION = 10;
const CONTAINER_GRACE_MS = 5_000;
const POST_START_MS = 60_000;
const INIT_POLL_MS = 50;
/** As the kubelet does: what could not be made is tried again, ever more seldom. */
const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 60_000;
const STOP_POLL_MS = 100;

interface Slot {
  readonly container: RunningContainer;
  health: ContainerHealth | undefined;
  /** Start of the process that `health` looks after. */
  pid: number;
  /** Its postStart hook has been carried out; until then it is not ready. */
  hooked: boolean;
}

/** One Pod object's processes, from its namespaces to their end. */
export class RunningPod {
  readonly uid: string;
  readonly #context: PodContext;
  readonly #onChange: () => void;
  readonly #startedAt: number;
  readonly #times: ConditionTimes = new Map();
  readonly #slots = new Map<string, Slot>();
  readonly #stops: (() => void)[] = [];
  #pod: Pod;
  #address: string | undefined;
  readonly #namespaces: PodNamespaces;
  #secrets: PodSecrets | undefined;
  #initialized = false;
  #proxySeen = false;
  #problem: Problem | undefined;
  #preparation: Promise<boolean> | undefined;
  #ending: Promise<void> | undefined;

  constructor(pod: Pod, context: PodContext, onChange: () => void) {
    this.uid = pod.metadata.uid;
    this.#pod = pod;
    this.#context = context;
    this.#onChange = onChange;
    this.#startedAt = context.clock.now();
    this.#namespaces = new PodNamespaces(pod, context);
  }

  get pod(): Pod {
    return this.#pod;
  }

  get key(): string {
    return `${this.#pod.metadata.namespace}/${this.#pod.metadata.name}`;
  }

  get address(): string | undefined {
    return this.#address;
  }

  get sandboxPid(): number | undefined {
    return this.#namespaces.sandbox?.process.pid;
  }

  get ending(): boolean {
    return this.#ending !== undefined;
  }

  update(pod: Pod): void {
    this.#pod = pod;
  }

  /** Brings the pod up. What goes wrong ends in its status; it never rejects. */
  async start(): Promise<void> {
    try {
      this.#preparation = this.#prepared();
      if (!(await this.#preparation)) return;
      this.#watchLogs();
      await this.#runInitContainers();
      if (this.ending) return;
      this.#initialized = true;
      const slots = this.#pod.spec.containers.map(spec => this.#slot(spec));
      for (const { container } of slots) await container.start();
    } catch (error) {
      this.#fail(failure(error));
    }
  }

  /** False: it can not be, or is not wanted any more. */
  async #prepared(): Promise<boolean> {
    for (let waitMs = FIRST_RETRY_MS; ; waitMs = Math.min(2 * waitMs, MAX_RETRY_MS)) {
      const problem = await this.#prepare().catch(failure);
      if (this.ending) return false;
      this.#missing(problem);
      if (problem === undefined) return true;
      await this.#giveBack();
      if (problem.final) return false;
      for (let waited = 0; waited < waitMs && !this.ending; waited += STOP_POLL_MS)
        await pause(STOP_POLL_MS);
      if (this.ending) return false;
    }
  }

  async #giveBack(): Promise<void> {
    this.#secrets?.stop();
    await this.#namespaces.end();
    if (this.#address !== undefined) this.#context.addresses.release(this.#address);
    this.#address = undefined;
  }

  status(): JsonObject {
    const status = podStatus(this.#view(), this.#times, this.#context.clock.now());
    if (this.#problem === undefined) return status;
    const { reason, message } = this.#problem;
    return { ...status, reason, message };
  }

  logDirectory(container: string): string {
    const { namespace, name } = this.#pod.metadata;
    const pod = `${namespace}_${name}_${this.uid}`;
    return join(this.#context.stateDir, "pods", pod, container);
  }

  /** What a container's program was started as; for exec. */
  command(container: string): ContainerCommand | undefined {
    const spec = this.#spec(container);
    const resolved = spec === undefined ? undefined : this.#command(spec);
    return resolved?.ok === true ? resolved.command : undefined;
  }

  /** Ends it once; later calls wait for the same end. `drain`: the mesh goes on without it. */
  terminate(graceMs: number, drain: boolean = true): Promise<void> {
    this.#ending ??= this.#end(graceMs, drain);
    return this.#ending;
  }

  async #prepare(): Promise<Problem | undefined> {
    const { addresses, node } = this.#context;
    const interception = this.#interception();
    if (interception !== undefined && !interception.ok) {
      const message = interception.diagnostics.map(d => `${d.path}: ${d.message}`).join("; ");
      return { reason: SANDBOX, message, final: true };
    }
    this.#address = addresses.take();
    if (this.#address === undefined) return sandboxProblem("no pod address is left");
    const naming = this.#naming(this.#address);
    const opened = await this.#namespaces.open(naming, {
      stopped: () => this.ending,
      missing: problem => this.#missing(problem),
    });
    if (opened !== undefined) return opened;
    const { sandbox, proxyFiles } = this.#namespaces;
    if (sandbox === undefined) return sandboxProblem("it has ended");
    if (proxyFiles !== undefined) {
      this.#secrets = new PodSecrets(this.#pod, this.#context, proxyFiles);
      await this.#secrets.start();
    }
    const problem = await connectPod(node, sandbox, {
      address: this.#address,
      hostname: naming.hostname,
      interception: interception?.value,
    });
    if (problem !== undefined) return sandboxProblem(problem);
    const mounted = await this.#namespaces.mount();
    this.#onChange();
    return mounted;
  }

  /** undefined: nothing is redirected. */
  #interception(): ReturnType<typeof readInterception> | undefined {
    const { annotations } = this.#pod.metadata;
    if (annotations["sidecar.istio.io/status"] === undefined) return undefined;
    if (annotations["sidecar.istio.io/interceptionMode"] !== "REDIRECT") return undefined;
    return readInterception(annotations);
  }

  #naming(address: string): NamingOptions {
    const { spec, metadata } = this.#pod;
    return {
      namespace: metadata.namespace,
      hostname: hostnameOf(spec.hostname ?? metadata.name),
      address,
      domain: this.#context.domain,
      plan: this.#context.node.plan,
      hostAliases: spec.hostAliases ?? [],
    };
  }

  async #runInitContainers(): Promise<void> {
    for (const spec of this.#pod.spec.initContainers ?? []) {
      if (this.ending) return;
      const slot = this.#slot(spec);
      await slot.container.start();
      const done = (): boolean =>
        spec.restartPolicy === "Always"
          ? (slot.health?.started ?? false) && slot.container.running
          : slot.container.finished && slot.container.succeeded;
      while (!done() && !this.ending) await pause(INIT_POLL_MS);
    }
  }

  #slot(spec: Container): Slot {
    const found = this.#slots.get(spec.name);
    if (found !== undefined) return found;
    const init = (this.#pod.spec.initContainers ?? []).some(c => c.name === spec.name);
    const always = init && spec.restartPolicy === "Always";
    const podPolicy = this.#pod.spec.restartPolicy;
    const initPolicy = podPolicy === "Never" ? "Never" : "OnFailure";
    const container = new RunningContainer({
      spec,
      podKey: this.key,
      podUid: this.uid,
      restartPolicy: always ? "Always" : init ? initPolicy : podPolicy,
      record: this.#context.record,
      clock: this.#context.clock,
      log: new LogFile(this.logDirectory(spec.name)),
      backOff: this.#context.backOff,
      sandboxPid: () => this.#namespaces.sandboxOf(spec.name)?.process.pid ?? 0,
      command: () => this.#command(spec),
      onChange: () => this.#onContainerChange(spec.name),
      explain: () => (spec.name === PROXY_CONTAINER ? this.#portsTaken(undefined) : undefined),
      tell: (type, reason, message) => this.#tell(type, reason, message, spec),
    });
    const slot: Slot = { container, health: undefined, pid: 0, hooked: false };
    this.#slots.set(spec.name, slot);
    return slot;
  }

  #command(spec: Container): CommandResult {
    const { baseEnv, node, data } = this.#context;
    return containerCommand(this.#pod, spec, {
      podIp: this.#address ?? "",
      hostIp: node.plan.gateway,
      baseEnv,
      data: (kind, name) => data(kind, this.#pod.metadata.namespace, name),
    });
  }

  #onContainerChange(name: string): void {
    const slot = this.#slots.get(name);
    if (slot === undefined) return;
    const { state } = slot.container;
    const pid = state.kind === "running" ? state.pid : 0;
    if (pid !== slot.pid) {
      slot.health?.stop();
      slot.pid = pid;
      slot.health = pid === 0 ? undefined : this.#watchHealth(slot);
      slot.hooked = false;
      if (pid !== 0) void this.#postStart(slot, pid);
    }
    this.#onChange();
  }

  /** As in Kubernetes: a container whose hook fails is ended, and its restart policy holds. */
  async #postStart(slot: Slot, pid: number): Promise<void> {
    const { spec } = slot.container;
    const handler = spec.lifecycle?.postStart;
    const why =
      handler === undefined
        ? undefined
        : await runHandler(handler, this.#probeTarget(spec), POST_START_MS);
    if (slot.pid !== pid || this.ending) return;
    if (why === undefined) {
      slot.hooked = true;
      this.#onChange();
      return;
    }
    this.#warnOfHook(slot, "PostStart", why);
    await slot.container.restart(CONTAINER_GRACE_MS);
  }

  /** What it takes is part of the grace period. */
  async #preStop({ container }: Slot, graceMs: number): Promise<void> {
    const handler = container.spec.lifecycle?.preStop;
    if (handler === undefined || !container.running || graceMs <= 0) return;
    const why = await runHandler(handler, this.#probeTarget(container.spec), graceMs);
    if (why !== undefined) this.#warnOfHook({ container }, "PreStop", why);
  }

  #warnOfHook({ container }: Pick<Slot, "container">, hook: string, why: string): void {
    const { log } = this.#context;
    log.warn("a lifecycle hook failed", { pod: this.key, container: container.name, hook, why });
    this.#tell("Warning", `Failed${hook}Hook`, `${hook}Hook failed: ${why}`, container.spec);
  }

  #watchHealth(slot: Slot): ContainerHealth {
    const { container } = slot;
    return new ContainerHealth({
      spec: container.spec,
      clock: this.#context.clock,
      target: this.#probeTarget(container.spec),
      held: () => container.name !== PROXY_CONTAINER && !this.#proxyStarted,
      also: () => (container.name === PROXY_CONTAINER ? this.#portsTaken(slot.pid) : undefined),
      onChange: () => this.#onHealthChange(),
      onFailure: (probe, why) => {
        if (this.ending) return;
        this.#tell("Warning", "Unhealthy", `${probe} probe failed: ${why}`, container.spec);
      },
      onUnhealthy: (probe, why) => {
        if (this.ending) return;
        this.#tellOfKilling(probe, container.spec);
        this.#context.log.warn("container is started again", {
          pod: this.key,
          container: container.name,
          why: `${probe.toLowerCase()} probe failed: ${why}`,
        });
        void this.#preStop(slot, CONTAINER_GRACE_MS).then(() =>
          container.restart(CONTAINER_GRACE_MS),
        );
      },
    });
  }

  #tellOfKilling(probe: ProbeName, spec: Container): void {
    const message = `Container ${spec.name} failed ${probe.toLowerCase()} probe, will be restarted`;
    this.#tell("Normal", "Killing", message, spec);
  }

  /** Ports that the application has and Envoy needs; `envoy`: its process. */
  #portsTaken(envoy: number | undefined): string | undefined {
    const pid = this.sandboxPid;
    if (pid === undefined) return undefined;
    const ports = envoyPorts(this.#interception() !== undefined);
    const taken = takenPorts(pid, envoy, ports);
    return taken.length === 0 ? undefined : takenPortsMessage(taken);
  }

  /** True also where there is no proxy; stays true when a proxy is started again. */
  get #proxyStarted(): boolean {
    return this.#proxySeen || !this.#slots.has(PROXY_CONTAINER);
  }

  #onHealthChange(): void {
    this.#proxySeen ||= this.#slots.get(PROXY_CONTAINER)?.health?.started ?? false;
    this.#onChange();
  }

  #probeTarget(spec: Container): ProbeTarget {
    return {
      podIp: this.#address ?? "",
      port: port =>
        typeof port === "number"
          ? port
          : spec.ports?.find(candidate => candidate.name === port)?.containerPort,
      exec: async (argv, timeoutMs) => {
        const command = this.command(spec.name);
        const sandboxPid = this.#namespaces.sandboxOf(spec.name)?.process.pid;
        if (command === undefined || sandboxPid === undefined) return 127;
        const entering = enterCommand(sandboxPid, { ...command, argv }, "attached");
        const [file = "", ...args] = entering.argv;
        return (await runCommand(file, args, { timeoutMs, env: entering.env })).code;
      },
    };
  }

  #spec(name: string): Container | undefined {
    const { containers, initContainers } = this.#pod.spec;
    return [...containers, ...(initContainers ?? [])].find(spec => spec.name === name);
  }

  #watchLogs(): void {
    let checks = 0;
    const check = (): void => {
      const rotate = checks++ % CHECKS_A_ROTATION === 0;
      for (const { container } of this.#slots.values()) container.checkLog(rotate);
      this.#stops.push(this.#context.clock.after(LOG_CHECK_MS, check));
      this.#stops.splice(0, this.#stops.length - 1);
    };
    check();
  }

  /** The same problem again is no news for the status; the Event counts. */
  #missing(problem: Problem | undefined): void {
    if (problem === undefined && this.#problem === undefined) return;
    if (problem !== undefined) this.#fail(problem);
    else {
      this.#problem = undefined;
      this.#onChange();
    }
  }

  #fail(problem: Problem): void {
    const { reason, message } = problem;
    const said = reason === SANDBOX ? `Failed to create pod sandbox: ${message}` : message;
    this.#tell("Warning", reason, said);
    if (this.#problem?.message === message) return;
    this.#problem = problem;
    this.#context.log.error("pod can not be started", { pod: this.key, reason, message });
    this.#onChange();
  }

  #tell(type: "Normal" | "Warning", reason: string, message: string, spec?: Container): void {
    const { namespace, name } = this.#pod.metadata;
    const isInit = (this.#pod.spec.initContainers ?? []).some(each => each.name === spec?.name);
    const list = isInit ? "initContainers" : "containers";
    this.#context.events.record(
      { namespace, name, uid: this.uid },
      {
        ...{ type, reason, message },
        ...(spec === undefined ? {} : { container: { list, name: spec.name } }),
      },
    );
  }

  #view(): PodView {
    const { spec } = this.#pod;
    return {
      podIp: this.#address,
      hostIp: this.#context.node.plan.gateway,
      startedAt: this.#startedAt,
      restartPolicy: spec.restartPolicy,
      initialized: this.#initialized,
      sandboxReady: this.#namespaces.sandbox !== undefined,
      initContainers: (spec.initContainers ?? []).map(c => this.#containerView(c)),
      containers: spec.containers.map(c => this.#containerView(c)),
    };
  }

  #containerView(spec: Container): ContainerView {
    const slot = this.#slots.get(spec.name);
    const reason = this.#initialized ? "ContainerCreating" : "PodInitializing";
    // Where nothing could be made, this is what people look at first.
    const waiting = this.#problem ?? { reason, message: "" };
    return {
      name: spec.name,
      image: spec.image ?? "",
      state: slot?.container.state ?? {
        kind: "waiting",
        reason: waiting.reason,
        message: waiting.message,
      },
      lastState: slot?.container.lastState,
      restarts: slot?.container.restarts ?? 0,
      ready: slot?.hooked === true && (slot.health?.ready ?? false),
      started: slot?.health?.started ?? false,
    };
  }

  /**
   * Leaves without loss: the endpoints are already going, proxies get time to learn it and to move
   * their connections, then applications are asked to end, Envoy last.
   */
  async #end(graceMs: number, drain: boolean): Promise<void> {
    const { clock, termination } = this.#context;
    const deadline = clock.monotonic() + graceMs;
    const left = (): number => Math.max(0, deadline - clock.monotonic());
    const slots = [...this.#slots.values()];
    const proxy = slots.filter(({ container }) => container.name === PROXY_CONTAINER);
    const others = slots.filter(slot => !proxy.includes(slot));
    const hooks = others.map(slot => this.#preStop(slot, graceMs));
    if (graceMs > 0 && drain && this.#namespaces.sandbox !== undefined) {
      await this.#askToMove(proxy.length > 0);
      await pause(Math.min(termination.drainMs, left()));
    }
    await Promise.all(
      others.map(async ({ container }, i) => {
        await hooks[i];
        await container.stop(left());
      }),
    );
    await Promise.all(proxy.map(({ container }) => container.stop(Math.min(left(), 2000))));
    await this.#removeSandbox();
  }

  /** From now on Envoy answers with `connection: close`, and its readiness fails. */
  async #askToMove(hasProxy: boolean): Promise<void> {
    const { sandbox } = this.#namespaces;
    if (!hasProxy || sandbox === undefined) return;
    const ask = { method: "POST", path: "/healthcheck/fail", timeoutMs: 2000 };
    await requestInside(sandbox.process.pid, ProxyPort.admin, ask).catch(() => undefined);
  }

  async #removeSandbox(): Promise<void> {
    for (const { health } of this.#slots.values()) health?.stop();
    for (const stop of this.#stops) stop();
    // What is being made is given up soon, as this pod is ending; only then is it known what there is.
    await this.#preparation;
    await this.#giveBack();
    this.#context.events.forget(this.uid);
    rmSync(join(this.logDirectory(PROXY_CONTAINER), ".."), { recursive: true, force: true });
  }
}

const SANDBOX = "FailedCreatePodSandBox";

function sandboxProblem(message: string): Problem {
  return { reason: SANDBOX, message, final: false };
}

function failure(error: unknown): Problem {
  return sandboxProblem(error instanceof Error ? error.message : String(error));
}

const MAX_HOSTNAME = 63;

/** As the kubelet cuts it: Linux takes no longer one. */
function hostnameOf(name: string): string {
  return name.slice(0, MAX_HOSTNAME).replace(/[-.]+$/, "");
}
