/** Reports as lines of the log: for objects whose source has no place for a status. */
import type { Log } from "../base/log.ts";
import { disputeText, rejectionText } from "./evidence.ts";
import type { ReportChanges } from "./follow-reports.ts";
import { diagnosticText, joinTexts } from "./messages.ts";
import { type ObjectReport, splitReportKey } from "./object-report.ts";

export interface ReportLogOptions {
  readonly log: Log;
  /** `FILE:LINE`, where the object is from a file. */
  readonly originOf: (key: string) => string | undefined;
}

/** Of one batch; what is beyond is only counted. */
const MAX_LINES = 200;
const MAX_LINE_CHARS = 2000;
/** The files source has said so itself. */
const FILE = "File";

/** One line an object, when what there is to say about it changed. */
export class ReportLog {
  readonly #options: ReportLogOptions;
  readonly #said = new Map<string, string>();

  constructor(options: ReportLogOptions) {
    this.#options = options;
  }

  take(changes: ReportChanges): void {
    let lines = 0;
    for (const [key, report] of changes) {
      const said = report === undefined ? "" : textOf(report);
      if (splitReportKey(key).kind === FILE || said === (this.#said.get(key) ?? "")) continue;
      if (said === "") this.#said.delete(key);
      else this.#said.set(key, said);
      lines++;
      if (lines <= MAX_LINES) this.#say(key, report, said);
    }
    const more = lines - MAX_LINES;
    if (more > 0) this.#options.log.warn(`and ${more} more objects with warnings or errors`);
  }

  #say(key: string, report: ObjectReport | undefined, text: string): void {
    const { log, originOf } = this.#options;
    const { kind, namespace, name } = splitReportKey(key);
    const object = `${kind} ${namespace === "" ? "" : `${namespace}/`}${name}`;
    const at = originOf(key);
    const fields = { object, ...(at === undefined ? {} : { at }) };
    if (report === undefined) log.info("object has no problems any more", fields);
    else if (!report.accepted) log.error("object has errors", { ...fields, problems: text });
    else if (report.rejections.length > 0)
      log.error("object is rejected by Envoy", { ...fields, problems: text });
    else log.warn("object has warnings", { ...fields, problems: text });
  }
}

function textOf({ diagnostics, rejections, disputes }: ObjectReport): string {
  const texts = [
    ...rejections.map(rejectionText),
    ...disputes.map(disputeText),
    ...diagnostics.map(diagnosticText),
  ];
  return joinTexts(texts, MAX_LINE_CHARS);
}
