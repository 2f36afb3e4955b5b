/** The control plane's own metrics under Istio's names, so that its dashboards work (features row 176). */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { StreamEvent } from "../discovery/types.ts";
import { type CaSources, caMetrics } from "./ca-metrics.ts";
import { servedTypeName } from "./connections.ts";
import { eventMetrics, type ObjectEvent } from "./event-metrics.ts";
import { PushTimes } from "./push-metrics.ts";
import { type ReviewOutcome, reviewMetrics } from "./review-metrics.ts";

/** Sizes that only a scrape needs to know. */
export interface MetricSources {
  readonly connected: () => number;
  readonly services: () => number;
  readonly virtualServices: () => number;
  readonly endpoints: () => number;
  readonly revision: () => number;
  /** Milliseconds that only go on. */
  readonly now: () => number;
  /** Objects of the mesh's API groups that nothing reads, by `plural.group`. */
  readonly unread?: () => ReadonlyMap<string, number>;
  /** Where this control plane has a CA. */
  readonly ca?: CaSources;
}

export class ControlPlaneMetrics {
  readonly #registry = new Registry();
  /** Counted here, as a counter with labels costs more than all else that is done for a response. */
  readonly #sent = new Map<string, { responses: number; bytes: number }>();
  readonly #rejects: Counter<"type">;
  readonly #pushSize: Histogram<"type">;
  readonly #commits: Counter;
  readonly #internalErrors: Counter;
  readonly #pushTimes: PushTimes;
  /** One object that came, changed or went. */
  readonly observeObject: (event: ObjectEvent) => void;
  /** One review of the webhooks. */
  readonly observeReview: (outcome: ReviewOutcome) => void;
  /** A stream over TLS whose credential was refused. */
  readonly observeAuthenticationFailure: () => void;

  constructor(version: string, sources: MetricSources) {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.#sentCounters(registers);
    this.#rejects = new Counter({
      name: "pilot_total_xds_rejects",
      help: "Responses that a proxy rejected, by type",
      labelNames: ["type"],
      registers,
    });
    this.#pushSize = new Histogram({
      name: "pilot_xds_config_size_bytes",
      help: "Size of responses, by type",
      labelNames: ["type"],
      buckets: [1, 10_000, 1_000_000, 4_000_000, 10_000_000, 40_000_000],
      registers,
    });
    this.#commits = new Counter({
      name: "pilot_push_triggers",
      help: "Revisions of the configuration graph that changed something",
      registers,
    });
    this.#internalErrors = new Counter({
      name: "pilot_total_xds_internal_errors",
      help: "Configuration that could not be derived because of a bug",
      registers,
    });
    this.#pushTimes = new PushTimes(sources.now, registers);
    this.observeObject = eventMetrics(registers);
    this.observeReview = reviewMetrics(registers);
    this.observeAuthenticationFailure = caMetrics(registers, sources.ca);
    this.#gauges(version, sources, registers);
  }

  #sentCounters(registers: Registry[]): void {
    const sent = this.#sent;
    const counter = (name: string, help: string, of: "responses" | "bytes") =>
      new Counter({
        name,
        help,
        labelNames: ["type"],
        registers,
        collect() {
          this.reset();
          for (const [type, counts] of sent) this.inc({ type }, counts[of]);
        },
      });
    counter("pilot_xds_pushes", "Responses sent to proxies, by type", "responses");
    const bytes = "Bytes of responses sent to proxies, by type";
    counter("lateen_xds_sent_bytes_total", bytes, "bytes");
  }

  #gauges(version: string, sources: MetricSources, registers: Registry[]): void {
    const gauge = (name: string, help: string, read: () => number) =>
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(read());
        },
      });
    gauge("pilot_xds", "Connected proxies", sources.connected);
    gauge("pilot_services", "Services known", sources.services);
    gauge("pilot_virt_services", "VirtualServices known", sources.virtualServices);
    gauge("lateen_endpoints", "Endpoints known", sources.endpoints);
    gauge("lateen_graph_revision", "Revision of the configuration graph", sources.revision);
    const { unread } = sources;
    if (unread !== undefined) unreadGauge(unread, registers);
    const info = new Gauge({
      name: "pilot_info",
      help: "Version of the control plane",
      labelNames: ["version"],
      registers,
    });
    info.set({ version }, 1);
    const build = new Gauge({
      name: "istio_build",
      help: "What runs: component pilot, and its version as the tag",
      labelNames: ["component", "tag"],
      registers,
    });
    build.set({ component: "pilot", tag: version }, 1);
  }

  observe(event: StreamEvent): void {
    this.#pushTimes.observe(event);
    // Clients choose the type: each would be a time series for ever.
    const type = servedTypeName(event.type)?.toLowerCase() ?? "other";
    if (event.kind === "sent") {
      const sent = this.#sent.get(type) ?? { responses: 0, bytes: 0 };
      this.#sent.set(type, sent);
      sent.responses++;
      sent.bytes += event.bytes;
      this.#pushSize.observe({ type }, event.bytes);
    } else if (event.kind === "nacked") {
      this.#rejects.inc({ type });
    }
  }

  observeCommit(revision: number): void {
    this.#commits.inc();
    this.#pushTimes.committed(revision);
  }

  observeFailure(): void {
    this.#internalErrors.inc();
  }

  readonly contentType: string = Registry.PROMETHEUS_CONTENT_TYPE;

  render(): Promise<string> {
    return this.#registry.metrics();
  }
}

function unreadGauge(unread: () => ReadonlyMap<string, number>, registers: Registry[]): void {
  new Gauge({
    name: "lateen_unread_objects",
    help: "Objects of kinds that are not carried out, by the name of their CRD",
    labelNames: ["crd"],
    registers,
    collect() {
      this.reset();
      for (const [crd, count] of unread()) this.set({ crd }, count);
    },
  });
}
