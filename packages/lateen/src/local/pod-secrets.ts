import type { Pod } from "../api/pod/schema.ts";
import { serviceAccountOf } from "./container-command.ts";
import type { PodContext } from "./pod-context.ts";
import { type PodFiles, PodPath } from "./pod-files.ts";

const PROXY_AUDIENCE = "istio-ca";
/** Istio's lifetime of the proxy's token. */
const TOKEN_SECONDS = 43_200;
/** A token is replaced when a fifth of its life is left. */
const RENEW_AT = 0.8;
const RETRY_MS = 5_000;
/** How often it is looked whether one is due: timers stand still while the machine sleeps, tokens end. */
const LOOK_MS_MAX = 60_000;

type SecretsContext = Pick<PodContext, "rootCert" | "issueToken" | "clock" | "log">;

/** Keeps the proxy's token and root certificate fresh; files change by rename, so Envoy sees it. */
export class PodSecrets {
  readonly #pod: Pod;
  readonly #context: SecretsContext;
  readonly #files: Pick<PodFiles, "write">;
  /** Timers that run, and what is followed. */
  readonly #stops = new Set<() => void>();
  #stopped = false;

  constructor(pod: Pod, context: SecretsContext, files: Pick<PodFiles, "write">) {
    this.#pod = pod;
    this.#context = context;
    this.#files = files;
  }

  /** Resolves once both are there. Rejects where a first token can not be had. */
  async start(): Promise<void> {
    const { rootCert } = this.#context;
    this.#writeRoot();
    this.#stops.add(rootCert.onChange(() => this.#later(0, async () => this.#writeRoot())));
    await this.#renew();
  }

  stop(): void {
    this.#stopped = true;
    for (const stop of this.#stops) stop();
  }

  #writeRoot(): void {
    if (this.#stopped) return;
    this.#files.write(PodPath.rootCert, this.#context.rootCert.current());
  }

  async #renew(): Promise<void> {
    const { metadata, spec } = this.#pod;
    const { token, expiresAt } = await this.#context.issueToken({
      namespace: metadata.namespace,
      serviceAccount: serviceAccountOf(this.#pod),
      podName: metadata.name,
      podUid: metadata.uid,
      nodeName: spec.nodeName ?? "",
      audience: PROXY_AUDIENCE,
      expirationSeconds: TOKEN_SECONDS,
    });
    if (this.#stopped) return;
    this.#files.write(PodPath.proxyToken, token, "proxy");
    const now = this.#context.clock.now();
    this.#renewAt(now + Math.max(1000, expiresAt - now) * RENEW_AT);
  }

  #renewAt(at: number): void {
    const left = at - this.#context.clock.now();
    if (left <= 0) this.#later(0, () => this.#renew());
    else this.#later(Math.min(left, LOOK_MS_MAX), async () => this.#renewAt(at));
  }

  #later(delayMs: number, task: () => Promise<void>): void {
    const cancel = this.#context.clock.after(delayMs, () => {
      this.#stops.delete(cancel);
      if (this.#stopped) return;
      task().catch((error: unknown) => {
        const text = error instanceof Error ? error.message : String(error);
        this.#context.log.warn("what the proxy proves itself with could not be renewed", {
          pod: `${this.#pod.metadata.namespace}/${this.#pod.metadata.name}`,
          error: text,
        });
        this.#later(RETRY_MS, task);
      });
    });
    this.#stops.add(cancel);
  }
}
