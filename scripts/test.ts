/** `npm test`: everything; see steps.ts. */
import { runSteps } from "./run-steps.ts";
import { fullSteps } from "./steps.ts";

process.exitCode = await runSteps(fullSteps());
