/** What the webhooks were asked and answered, under Istio's names. */
import { Counter, type Registry } from "prom-client";

export interface ReviewOutcome {
  readonly path: "inject" | "validate";
  readonly allowed: boolean;
  /** Whether a pod got a sidecar. */
  readonly patched: boolean;
}

export function reviewMetrics(registers: Registry[]): (outcome: ReviewOutcome) => void {
  const counter = (name: string, help: string): Counter => new Counter({ name, help, registers });
  const asked = counter("sidecar_injection_requests_total", "Pods that injection was asked for");
  const injected = counter("sidecar_injection_success_total", "Pods that got a sidecar");
  const failed = counter("sidecar_injection_failure_total", "Pods that were refused");
  const skipped = counter("sidecar_injection_skip_total", "Pods that were to get no sidecar");
  const passed = counter("galley_validation_passed", "Configuration objects that were let in");
  const refused = counter("galley_validation_failed", "Configuration objects that were refused");
  return ({ path, allowed, patched }) => {
    if (path === "validate") {
      (allowed ? passed : refused).inc();
      return;
    }
    asked.inc();
    if (!allowed) failed.inc();
    else (patched ? injected : skipped).inc();
  };
}
