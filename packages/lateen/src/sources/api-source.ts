/** An API server (the embedded store's or a Kubernetes one) as a source: one informer a kind. */
import type { Kind } from "../api/kind.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { ApiClient } from "./client/api-client.ts";
import { Informer } from "./client/informer.ts";
import type { ObjectSource, SourceSink } from "./source.ts";

export interface ApiSourceOptions {
  readonly name: string;
  readonly client: ApiClient;
  readonly kinds: readonly Kind[];
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
}

export function apiSource(options: ApiSourceOptions): ObjectSource {
  let informers: Informer[] = [];
  return {
    name: options.name,
    start: sink => {
      informers = startInformers(options, sink);
    },
    stop: () => {
      for (const informer of informers) informer.stop();
    },
  };
}

function startInformers(options: ApiSourceOptions, sink: SourceSink): Informer[] {
  let synced = false;
  const informers = options.kinds.map(
    kind =>
      new Informer({
        client: options.client,
        resource: kind,
        clock: options.clock,
        random: options.random,
        log: options.log,
        onChanges: changes => {
          if (changes.length > 0) sink.onChanges(changes.map(change => ({ kind, ...change })));
          if (synced || !informers.every(informer => informer.synced)) return;
          synced = true;
          sink.onSynced();
        },
      }),
  );
  for (const informer of informers) informer.start();
  return informers;
}
