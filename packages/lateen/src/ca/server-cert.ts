/** The discovery server's own certificate: Istio's names for it, renewed while it runs. */
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Authority } from "./authority.ts";
import type { KeyedCertificate, SubjectNames } from "./certificate.ts";

const LIFETIME_MS = 24 * 3600 * 1000;
const BACKDATE_MS = 2 * 60_000;
const WAIT_MS_MAX = 60_000;
const ROTATION_GAP_MS_MIN = 1_000;

export interface ServerCertificateOptions {
  readonly authority: Authority;
  readonly clock: Clock;
  readonly log: Log;
  /** Where the control plane lives; `istio-system`. */
  readonly namespace: string;
  /** Addresses and further names that proxies dial. */
  readonly names?: SubjectNames;
  readonly lifetimeMs?: number;
}

export interface ServerCertificate {
  /** The certificate (with intermediates) and key in use now, for `tls.createSecureContext`. */
  current(): KeyedCertificate;
  /** Called with each new one; the function returned ends that. */
  onRenewed(listener: (certificate: KeyedCertificate) => void): () => void;
  /** The authority signs otherwise now. */
  renew(): void;
  dispose(): void;
}

/** `istiod.<namespace>.svc` and its other forms (Istio's ISTIOD_CUSTOM_HOST default), localhost. */
function discoveryServerNames(namespace: string, extra: SubjectNames = {}): SubjectNames {
  return {
    dnsNames: [
      `istiod.${namespace}.svc`,
      `istiod.${namespace}.svc.cluster.local`,
      "localhost",
      ...(extra.dnsNames ?? []),
    ],
    ipAddresses: [...(extra.ipAddresses ?? [])],
  };
}

export function createServerCertificate(options: ServerCertificateOptions): ServerCertificate {
  const { authority, clock, log } = options;
  const names = discoveryServerNames(options.namespace, options.names);
  const listeners = new Set<(certificate: KeyedCertificate) => void>();
  let renewAt = 0;
  let cancel = (): void => {};

  const issue = (): KeyedCertificate => {
    const now = clock.now();
    const notAfter = Math.min(now + (options.lifetimeMs ?? LIFETIME_MS), authority.notAfter);
    renewAt = Math.max(now + (notAfter - now) / 2, now + ROTATION_GAP_MS_MIN);
    log.info("discovery server certificate made", { notAfter });
    return authority.issue(names, { notBefore: now - BACKDATE_MS, notAfter });
  };
  const renew = (): void => {
    current = issue();
    for (const listener of listeners) listener(current);
  };
  const wait = (): void => {
    cancel = clock.after(Math.min(Math.max(renewAt - clock.now(), 0), WAIT_MS_MAX), () => {
      if (clock.now() >= renewAt) renew();
      wait();
    });
  };

  let current = issue();
  wait();
  return {
    current: () => current,
    onRenewed(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    renew,
    dispose: () => cancel(),
  };
}
