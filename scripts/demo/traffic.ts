/** Requests from outside and from inside of the mesh, and whether they went where they should. */
import { join } from "node:path";
import { type DemoMesh, root } from "./demo-mesh.ts";
import type { Screen } from "./screen.ts";

const client = join(root, "samples/demoapp/client.mjs");
export const HOST = "demoapp.example.com";

/** What samples/demoapp/client.mjs counted. */
export interface Answers {
  readonly requests: number;
  readonly statuses: Readonly<Record<string, number>>;
  readonly versions: Readonly<Record<string, number>>;
  readonly servers: Readonly<Record<string, number>>;
}

/** A place to send requests from. */
export interface Origin {
  readonly name: string;
  send(count: number): Promise<Answers>;
  /** Goes on for so long. */
  load(seconds: number): Promise<Answers>;
}

export function fromOutside(mesh: DemoMesh): Origin {
  return origin("through the gateway", async flags => {
    const words = ["--json", ...flags, "--host", HOST, `http://${mesh.ingress}/`];
    return (await mesh.run(process.execPath, [client, ...words])).stdout;
  });
}

export function fromPod(mesh: DemoMesh, pod: readonly string[], url: string): Origin {
  return origin(`from ${pod[0]}`, async flags => {
    const words = ["node", client, "--json", ...flags, url];
    return (await mesh.exec([...pod, "--", ...words])).stdout;
  });
}

/** @param run the client with these flags; what it prints */
function origin(name: string, run: (flags: readonly string[]) => Promise<string>): Origin {
  return {
    name,
    send: async count => parse(await run(["--count", `${count}`])),
    load: async seconds => parse(await run(["--seconds", `${seconds}`])),
  };
}

function parse(text: string): Answers {
  try {
    return JSON.parse(text) as Answers;
  } catch {
    return { requests: 0, statuses: {}, versions: {}, servers: {} };
  }
}

/** Percent of the requests that each version should answer. */
export type Shares = Readonly<Record<string, number>>;

/**
 * How far an observed share may be from the declared one, in points. Of 1000 requests at 90/10 the
 * share has a standard deviation of 0.95 points: a mesh that is right fails this once in 10^12 runs.
 */
const TOLERANCE = 7;
export const REQUESTS = 1000;

/** Sends requests and prints the observed distribution beside the declared one. */
export async function observeShares(
  screen: Screen,
  origin: Origin,
  declared: Shares,
): Promise<void> {
  const answers = await origin.send(REQUESTS);
  const answered = answers.statuses["200"] ?? 0;
  const parts: string[] = [];
  let right = answered === REQUESTS;
  for (const [version, share] of Object.entries(declared)) {
    const observed = (100 * (answers.versions[version] ?? 0)) / REQUESTS;
    const exact = share === 0 || share === 100;
    right &&= exact ? observed === share : Math.abs(observed - share) <= TOLERANCE;
    parts.push(`${version} ${observed.toFixed(1)} % (declared ${share} %)`);
  }
  const what = `${origin.name}: ${answered} of ${REQUESTS} answered 200; ${parts.join(", ")}`;
  screen.observe(what, right);
}
