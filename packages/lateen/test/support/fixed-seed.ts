/** Loaded before tests of properties: the same values in every run, but not in a soak. */
import fc from "fast-check";

const SEED = 20_261_121;

if (process.env["LATEEN_SOAK_SECONDS"] === undefined) fc.configureGlobal({ seed: SEED });
