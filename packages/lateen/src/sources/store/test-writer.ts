/**
 * Run as a process by durability.test.ts, to be killed: writes to the store in its first argument
 * without end, and says `NAME REVISION` on stdout for each write that was acknowledged.
 */
import { writeSync } from "node:fs";
import process from "node:process";
import { namespaceKind } from "../../api/namespace/kind.ts";
import { silentLog } from "../../base/log.ts";
import { systemClock } from "../../net/clock.ts";
import { openStore } from "./store.ts";
import { accountKind, widget, widgetKind } from "./test-store.ts";

const [, , path = "", prefix = ""] = process.argv;
let count = 0;
const opened = openStore({
  path,
  kinds: [namespaceKind, accountKind, widgetKind],
  clock: systemClock,
  ids: { uid: () => crypto.randomUUID(), suffix: () => "aaaaa" },
  log: silentLog,
});
if (!opened.ok) {
  writeSync(2, JSON.stringify(opened.diagnostics));
  process.exit(1);
}
for (;;) {
  const name = `${prefix}${count++}`;
  const created = opened.value.create(widgetKind, "default", widget(name, { size: 1 }));
  if (created.ok) writeSync(1, `${name} ${created.value.resourceVersion}\n`);
}
