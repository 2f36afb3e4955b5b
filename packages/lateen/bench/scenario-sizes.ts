/** The loads of the bench by name. */
import type { LoadSize } from "./load.ts";

const USUAL = { proxies: 200, services: 500, endpoints: 10, namespaces: 10 };

export const scenarioSizes = {
  unscoped: { ...USUAL, scoped: false },
  scoped: { ...USUAL, scoped: true },
  large: { ...USUAL, proxies: 1000, services: 1000, scoped: true },
  tcp: { ...USUAL, scoped: false, tcp: true },
  "tcp-scoped": { ...USUAL, scoped: true, tcp: true },
  "tcp-2000": { ...USUAL, proxies: 2000, scoped: true, tcp: true },
  "tcp-10000": { ...USUAL, proxies: 10_000, scoped: true, tcp: true },
  mixed: { ...USUAL, scoped: false, tcp: true, mixed: true },
} as const satisfies Record<string, LoadSize>;

export type ScenarioName = keyof typeof scenarioSizes;

export function isScenarioName(name: string): name is ScenarioName {
  return Object.hasOwn(scenarioSizes, name);
}

/** True where nothing but the name says how large it is: figures of others hold for this size only. */
export function isOwnSize(name: ScenarioName, size: LoadSize): boolean {
  const own: LoadSize = scenarioSizes[name];
  const keys = ["proxies", "services", "endpoints", "namespaces"] as const;
  return keys.every(key => own[key] === size[key]);
}
