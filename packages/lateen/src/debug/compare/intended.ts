import type { IntendedDifference } from "./rewrite.ts";
export const intendedDifferences: readonly IntendedDifference[] = [];
