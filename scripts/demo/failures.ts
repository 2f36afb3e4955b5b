/** The last act: what fails while requests are under way, and how many of them notice. */
import type { DemoMesh } from "./demo-mesh.ts";
import type { Screen } from "./screen.ts";
import type { Answers, Origin } from "./traffic.ts";
import { until } from "./wait.ts";

const LOAD_SECONDS = 6;
/** The load is well under way. */
const BEFORE_MS = 1_500;
/** What an Envoy had in its hands when it was killed can not be asked for a second time by everybody. */
const LOST_BY_AN_ENVOY = 8;

export async function killUnderLoad(
  mesh: DemoMesh,
  screen: Screen,
  origins: readonly Origin[],
): Promise<void> {
  await under(origins, screen, "the control plane was killed", 0, async () => {
    const pid = mesh.controlPlanePid;
    if (pid === undefined) return false;
    screen.command(`kill -9 ${pid}                            (the control plane)`);
    process.kill(pid, "SIGKILL");
    await until(mesh, "another control plane", "look: lateen ps", async () => {
      const next = mesh.controlPlanePid;
      return next === undefined || next === pid ? undefined : true;
    });
    return true;
  });
  const words = ["deploy/demoappv11", "-c", "istio-proxy", "--", "sh", "-c", KILL_ENVOY];
  await under(origins, screen, "an Envoy of demoappv11 was killed", LOST_BY_AN_ENVOY, async () => {
    screen.command(`lateen exec ${words.slice(0, -1).join(" ")} '${KILL_ENVOY}'`);
    // Its own shell may end with it.
    await mesh.exec(words);
    return true;
  });
}

const KILL_ENVOY = "kill -9 $(pidof envoy)";

async function under(
  origins: readonly Origin[],
  screen: Screen,
  what: string,
  lost: number,
  fail: () => Promise<boolean>,
): Promise<void> {
  const loads = origins.map(async origin => ({ origin, answers: await origin.load(LOAD_SECONDS) }));
  await new Promise(done => setTimeout(done, BEFORE_MS));
  const failed = await fail();
  for (const { origin, answers } of await Promise.all(loads)) {
    const bad = answers.requests - (answers.statuses["200"] ?? 0);
    const share = `${bad} of ${answers.requests} requests failed${reasons(answers)}`;
    screen.observe(
      `${what}: ${origin.name}, ${share}`,
      failed && answers.requests > 0 && bad <= lost,
    );
  }
}

function reasons({ statuses }: Answers): string {
  const others = Object.entries(statuses).filter(([status]) => status !== "200");
  return others.length === 0 ? "" : ` (${others.map(([key, n]) => `${n}: ${key}`).join(", ")})`;
}
