/** What the parts of `lateen up` are told, and what they share. */
import type { Result } from "../base/diagnostic.ts";
import type { Log } from "../base/log.ts";
import { UserError } from "../cli/command.ts";
import type { MeshConfigFile } from "./local-mesh-config.ts";
import type { MeshHome } from "./mesh-home.ts";

export interface SupervisorOptions {
  readonly home: MeshHome;
  readonly version: string;
  readonly envoy: string | undefined;
  readonly apiPort: number;
  readonly installPackages: boolean;
  readonly certificateLifetimeSeconds: number | undefined;
  /** undefined: what the store has, at first Istio's defaults with an access log. */
  readonly meshConfig?: MeshConfigFile | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** A line for the person who waits. */
  readonly progress: (line: string) => void;
  /** Aborted when the person has had enough. */
  readonly interrupted: AbortSignal;
  readonly log: Log;
}

/** DNS name in the control plane's certificate. */
export const SERVER_NAME = "istiod.istio-system.svc";
/** Of xDS with TLS, on the mesh's own address of the machine. */
export const TLS_PORT = 15012;

export function must<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw new UserError(result.diagnostics.map(each => each.message).join("\n"));
}
