/** The CA's metrics, under the names that Istio's has them (citadel_server_...). */
import { Counter, Gauge, type Registry } from "prom-client";

/** Times are milliseconds since the epoch. */
export interface CaSources {
  /** The first of the roots ends then. */
  readonly rootsNotAfter: () => number;
  /** The first of the CA's certificate and what is above it ends then. */
  readonly chainNotAfter: () => number;
  readonly phase: () => (typeof phases)[number];
  /** Namespaces whose ConfigMap `istio-ca-root-cert` another mesh keeps, though we see them, too. */
  readonly contested: () => number;
  /** Certificates made for workloads. */
  readonly made: () => number;
  readonly now: () => number;
}

const phases = ["settled", "spreading", "retiring", "refused"] as const;

/** Returns what counts a refused credential. */
export function caMetrics(registers: Registry[], ca: CaSources | undefined): () => void {
  const failures = new Counter({
    name: "citadel_server_authentication_failure_count",
    help: "Credentials of proxies that were refused",
    registers,
  });
  if (ca !== undefined) caGauges(registers, ca);
  return () => failures.inc();
}

function caGauges(registers: Registry[], ca: CaSources): void {
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  const expiry = (what: string, help: string, notAfter: () => number): void => {
    const seconds = `${what}_expiry_seconds`;
    gauge(`${what}_expiry_timestamp`, `Unix time at which ${help} ends`, () => notAfter() / 1000);
    gauge(seconds, `Seconds until ${help} ends`, () => (notAfter() - ca.now()) / 1000);
  };
  expiry("citadel_server_root_cert", "the first root", ca.rootsNotAfter);
  expiry("citadel_server_cert_chain", "the CA's certificate chain", ca.chainNotAfter);
  const made = "Certificates made for workloads";
  gauge("citadel_server_success_cert_issuance_count", made, ca.made);
  gauge("citadel_server_csr_count", `${made}: proxies ask over SDS, not with CSRs`, ca.made);
  gauge(
    "lateen_ca_contested_namespaces",
    "Namespaces in which another control plane gives out other roots (told by the leader)",
    ca.contested,
  );
  phaseGauge(registers, ca);
}

/** For alerts: `lateen_ca_phase{phase="refused"} == 1`. */
function phaseGauge(registers: Registry[], ca: CaSources): void {
  new Gauge({
    name: "lateen_ca_phase",
    help: "1 for what the CA is doing about its newest material",
    labelNames: ["phase"],
    registers,
    collect() {
      for (const phase of phases) this.set({ phase }, phase === ca.phase() ? 1 : 0);
    },
  });
}
