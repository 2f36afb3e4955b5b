/** `npm run kube:down`: takes clusters away, with all that they have made. */
import { parseArgs } from "node:util";
import { clusterNames, down, sweep } from "./kube/cluster.ts";

const USAGE = `usage: npm run kube:down [-- FLAGS]
  --name NAME    which cluster (default "bed")
  --all          every cluster of this machine, also those that tests use at this moment`;

process.exitCode = await main();
process.exit();

async function main(): Promise<number> {
  const flags = readFlags();
  if (flags === undefined || flags.help) {
    console.error(USAGE);
    return 2;
  }
  try {
    await sweep(line => console.log(line));
    for (const name of flags.all ? clusterNames() : [flags.name]) {
      const was = await down(name);
      console.log(was ? `cluster ${name} is gone` : `there is no cluster ${name}`);
    }
    return 0;
  } catch (error) {
    console.error(`kube:down: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
}

function readFlags() {
  try {
    return parseArgs({
      options: {
        name: { type: "string", default: "bed" },
        all: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    return undefined;
  }
}
