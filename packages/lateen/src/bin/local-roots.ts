/** By which roots pods of a local mesh know the control plane: what it says itself, in a ConfigMap. */
import { configMapKind } from "../api/config-map/kind.ts";
import type { Log } from "../base/log.ts";
import { ROOT_CONFIG_MAP, ROOT_KEY } from "../ca/root-config-maps.ts";
import type { RootCertSource } from "../local/pod-context.ts";
import { systemClock } from "../net/clock.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { Informer } from "../sources/client/informer.ts";
import { objectAt, stringAt } from "../sources/json.ts";
import { SYSTEM_NAMESPACE } from "./mesh-config-input.ts";

export interface LocalRoots extends RootCertSource {
  stop(): void;
}

/** `first`: PEM, until the control plane has said something. */
export function followLocalRoots(client: ApiClient, first: string, log: Log): LocalRoots {
  let current = first;
  const listeners = new Set<() => void>();
  const informer = new Informer({
    client,
    resource: configMapKind,
    namespace: SYSTEM_NAMESPACE,
    fieldSelector: `metadata.name=${ROOT_CONFIG_MAP}`,
    clock: systemClock,
    random: Math.random,
    log,
    onChanges: changes => {
      const [change] = changes.slice(-1);
      const text = stringAt(objectAt(change?.object ?? {}, "data"), ROOT_KEY);
      if (text === "" || text === current) return;
      current = text;
      for (const listener of listeners) listener();
    },
  });
  informer.start();
  return {
    current: () => current,
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    stop: () => informer.stop(),
  };
}
