/**
 * What becomes of problems: they go into the status of objects that come from an API, into the log
 * for all others. One of these a control plane.
 */
import { allKinds } from "../api/registry.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { kindWithGroup } from "../base/object-name.ts";
import type { Graph, InputCollection } from "../flow/types.ts";
import type { Model } from "../model/model.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import type { ObjectDiagnostics } from "../sources/input-writer.ts";
import type { ObjectSource } from "../sources/source.ts";
import type { TypeResources } from "../xds/resources/family.ts";
import { followReports, type ReportChanges } from "./follow-reports.ts";
import { IngressStatus } from "./ingress-status.ts";
import { type LedgerOptions, StatusLedger } from "./ledger.ts";
import { createReports, type Rejection, splitReportKey } from "./object-report.ts";
import { Rejections } from "./rejections.ts";
import { ReportLog } from "./report-log.ts";
import { LEADS_ALL, type Leads, mayHaveStatus, StatusWriter } from "./status-writer.ts";

export interface ObjectStatusOptions {
  readonly graph: Graph;
  readonly model: Model;
  readonly resources: Readonly<Partial<Record<string, TypeResources>>>;
  readonly diagnostics: InputCollection<ObjectDiagnostics>;
  /** undefined: the objects come from files, and everything goes into the log. */
  readonly client: Pick<ApiClient, "patch"> | undefined;
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: () => number;
  readonly log: Log;
}

export interface ObjectStatus {
  /** Told of what streams report. */
  readonly rejections: Rejections;
  /** The source of all objects, seen by us. */
  watch(source: ObjectSource): ObjectSource;
  /** To be called when everything that was there at the start is in the graph. */
  start(): void;
  /** Told of all rejections by proxies of this replica when some have changed. */
  onRejections(listener: RejectionListener): void;
  /** What proxies of the other replicas reject, all of it. */
  setElsewhere(byObject: ReadonlyMap<string, readonly Rejection[]>): void;
  /** Of several replicas one writes. Until this is called that is us, for all objects. */
  setLeads(leads: Leads): void;
  stop(): void;
}

type RejectionListener = (byObject: ReadonlyMap<string, readonly Rejection[]>) => void;

/** Somebody who applies several objects is not told of what was missing for a moment. */
const DELAY_MS = 200;

/** Files have places, and statuses only where somebody wrote them down. */
const FILES: LedgerOptions = { keeps: () => true, hidesStatus: () => false };
const API: LedgerOptions = { keeps: mayHaveStatus, hidesStatus: mayHaveStatus };
const STATUS_KINDS: ReadonlySet<string> = new Set(
  allKinds.filter(mayHaveStatus).map(kindWithGroup),
);

/** Declares collections: to be called before the graph's first commit. */
export function createObjectStatus(options: ObjectStatusOptions): ObjectStatus {
  const { graph, model, resources, diagnostics, client, clock, random, log } = options;
  const rows = graph.input<readonly Rejection[]>("rejections");
  const elsewhere = graph.input<readonly Rejection[]>("rejections at other replicas");
  const reports = createReports(graph, {
    diagnostics,
    findings: model.findings,
    rejections: rows,
    rejectedElsewhere: elsewhere,
    names: model.names,
  });
  let onRejections: RejectionListener = () => {};
  const onChanged: RejectionListener = byObject => onRejections(byObject);
  const rejections = new Rejections({ graph, model, resources, rows, onChanged, clock, log });
  const ledger = new StatusLedger(client === undefined ? FILES : API);
  const writer = client && new StatusWriter({ client, ledger, clock, random, log });
  const addresses = client && new IngressStatus({ graph, model, client, clock, log });
  const reportLog = new ReportLog({ log, originOf: key => ledger.get(key)?.origin });
  let unfollow = (): void => {};
  let started = false;
  let leads = LEADS_ALL;
  const stopWriting = (): void => {
    writer?.stop();
    addresses?.stop();
  };
  const lead = (): void => {
    if (!leads.mesh && !leads.revision) stopWriting();
    else if (started) {
      writer?.start(leads);
      // Every revision sees every Ingress.
      if (leads.mesh) addresses?.start();
      else addresses?.stop();
    }
  };
  return {
    rejections,
    watch: source => ledger.watch(source),
    start() {
      const onChanges = (changes: ReportChanges): void => {
        writer?.take(changes);
        reportLog.take(writer === undefined ? changes : withoutStatus(changes));
      };
      unfollow = followReports({ reports, clock, delayMs: DELAY_MS, onChanges });
      started = true;
      lead();
    },
    onRejections(listener) {
      onRejections = listener;
    },
    setElsewhere(byObject) {
      graph.commit({ source: "rejections at other replicas", at: clock.now() }, writer => {
        for (const key of elsewhere.keys()) if (!byObject.has(key)) writer.delete(elsewhere, key);
        for (const [key, list] of byObject) writer.set(elsewhere, key, list);
      });
    },
    setLeads(now) {
      if (now.mesh === leads.mesh && now.revision === leads.revision) return;
      leads = now;
      lead();
    },
    stop() {
      unfollow();
      stopWriting();
      rejections.stop();
    },
  };
}

/** Objects for which the log is the only place. */
function withoutStatus(changes: ReportChanges): ReportChanges {
  const hasStatus = (key: string): boolean => STATUS_KINDS.has(kindWithGroup(splitReportKey(key)));
  return new Map([...changes].filter(([key]) => !hasStatus(key)));
}
