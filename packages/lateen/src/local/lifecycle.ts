/** What a container asks to be done after its start and before its end (core/v1 Lifecycle). */
import type { Container } from "../api/pod/container.ts";
import { pause } from "./pause.ts";
import { type ProbeTarget, probeCheck } from "./probe-check.ts";

type LifecycleHandler = NonNullable<NonNullable<Container["lifecycle"]>["preStop"]>;

/** Resolves when it is done, or time is over; to what was wrong, if something was. Never rejects. */
export async function runHandler(
  handler: LifecycleHandler,
  target: ProbeTarget,
  timeoutMs: number,
): Promise<string | undefined> {
  if (handler.sleep !== undefined) {
    await pause(Math.min(handler.sleep.seconds * 1000, timeoutMs));
    return undefined;
  }
  // Kubernetes does not carry out tcpSocket here either.
  const { tcpSocket: _, ...asked } = handler;
  return await probeCheck({ ...asked, timeoutSeconds: timeoutMs / 1000 }, target)?.();
}
