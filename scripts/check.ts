/** `npm run check`: types, format, lint, layers, and the unit, property and golden tests. */

import { runSteps } from "./run-steps.ts";
import { fastSteps } from "./steps.ts";

process.exitCode = await runSteps(fastSteps());
