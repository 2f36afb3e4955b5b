/** What the control plane needs of a Kubernetes cluster beside the objects it is configured by. */
import type { TokenReviewStatus } from "../authn/token-review.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { RootConfigMaps } from "../ca/root-config-maps.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { isObject } from "../sources/json.ts";
import { LEADER_LEASE, LeaderElection, revisionLease } from "../sources/kube/leader-election.ts";
import { OtherControlPlanes } from "../sources/kube/other-control-planes.ts";
import { LEADS_NOTHING, type Leads } from "../status/status-writer.ts";

const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 10_000;

/** Waits for an API server that is not there yet; each new trouble is one line. */
export async function untilAnswered<T>(
  what: string,
  clock: Clock,
  log: Log,
  work: () => Promise<T>,
): Promise<T> {
  let last = "";
  for (let wait = RETRY_MS_MIN; ; wait = Math.min(wait * 2, RETRY_MS_MAX)) {
    try {
      return await work();
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      if (why !== last) log.warn(`${what}: trying again`, { error: why });
      last = why;
    }
    await new Promise<void>(done => clock.after(wait, done));
  }
}

/** A TokenReview; rejects when the API server does not give one. */
export async function reviewToken(
  client: ApiClient,
  token: string,
  audiences: readonly string[],
): Promise<TokenReviewStatus> {
  const answer = await client.send("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {
    body: {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenReview",
      spec: { token, audiences },
    },
  });
  if (!answer.ok) throw new Error(`TokenReview: ${answer.status.message}`);
  const status = answer.value["status"];
  return isObject(status) ? status : {};
}

export interface LeaderWorkOptions {
  readonly client: ApiClient;
  readonly namespace: string;
  readonly revision: string;
  readonly identity: string;
  /** PEM of all roots that are trusted. */
  readonly roots: () => readonly string[];
  readonly accepts: (namespace: string) => boolean;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  /** Told of the lead beside what is done here. */
  readonly onLeads: (leads: Leads) => void;
}

export interface LeaderWork {
  /** `accepts` or `roots` say something else than before. */
  refresh(): void;
  /** RootConfigMaps' `contested`. */
  contested(): ReadonlyMap<string, string>;
  stop(): Promise<void>;
}

/**
 * What one replica does for all: the roots in every namespace, and statuses. Beside Istio both are
 * Istio's, but for the status of what only this revision sees.
 */
export function startLeaderWork(options: LeaderWorkOptions): LeaderWork {
  const { client, namespace, revision, identity, clock, random, log, onLeads } = options;
  const { roots, accepts } = options;
  let leads = LEADS_NOTHING;
  const others = new OtherControlPlanes({
    ...{ client, namespace, clock, random },
    log: log.scope("leader"),
    onChange: () => {
      tell();
      configMaps.refresh();
    },
  });
  const isBeside = (): boolean => others.present !== false;
  const configMaps = new RootConfigMaps({
    client,
    roots,
    accepts,
    keptByAnother: isBeside,
    // What only this revision sees, nobody else keeps.
    isSecond: () => !leads.mesh,
    ownership: {
      self: namespace,
      injectorOf: labels => others.injectorOf(labels),
      runsIn: each => others.runsIn(each),
    },
    clock,
    random,
    log: log.scope("ca"),
  });
  const lead = (next: Partial<Leads>): void => {
    const ledBefore = leads.mesh || leads.revision;
    leads = { ...leads, ...next };
    const ledNow = leads.mesh || leads.revision;
    if (ledBefore && ledNow) configMaps.refresh();
    else if (ledNow) configMaps.start();
    else configMaps.stop();
    tell();
  };
  const tell = (): void => onLeads({ ...leads, mesh: leads.mesh && !isBeside() });
  const election = (name: string, onChange: (leads: boolean) => void): LeaderElection =>
    new LeaderElection({
      ...{ client, namespace, name, identity, clock, random },
      log: log.scope("leader"),
      onLead: () => onChange(true),
      onLost: () => onChange(false),
    });
  const elections = [
    election(LEADER_LEASE, mesh => lead({ mesh })),
    election(revisionLease(revision), own => lead({ revision: own })),
  ];
  others.start();
  for (const each of elections) each.start();
  return {
    async stop() {
      others.stop();
      await Promise.all(elections.map(each => each.stop()));
    },
    refresh: () => configMaps.refresh(),
    contested: () => configMaps.contested,
  };
}
