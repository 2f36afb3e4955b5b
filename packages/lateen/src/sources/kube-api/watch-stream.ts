/** A watch over HTTP: one JSON object a line. Nothing is read ahead of what the client takes. */
import type { JsonObject } from "../../api/kind.ts";
import type { Clock } from "../../base/clock.ts";
import type { HttpSink } from "../../net/http-server.ts";
import type { WatchEvent } from "../store/watch.ts";
import type { WatchReader } from "./served.ts";

/** Events in one write to the socket. */
const BATCH = 64;
const BOOKMARK_MS = 30_000;

export interface StreamOptions {
  readonly clock: Clock;
  readonly bookmarks: boolean;
  /** Marks the end of what was there at the start with a bookmark (`sendInitialEvents`). */
  readonly markInitialEnd: boolean;
  readonly timeoutMs: number;
  /** One line for an event, without the line's end. */
  encode(event: WatchEvent): string;
  /** The object of a bookmark, which only has metadata. */
  bookmark(metadata: JsonObject): JsonObject;
}

export class WatchStream {
  readonly #watch: WatchReader;
  readonly #sink: HttpSink;
  readonly #options: StreamOptions;
  #blocked = false;
  #ended = false;
  #markInitialEnd: boolean;
  #cancelTimers: (() => void)[] = [];

  constructor(watch: WatchReader, sink: HttpSink, options: StreamOptions) {
    this.#watch = watch;
    this.#sink = sink;
    this.#options = options;
    this.#markInitialEnd = options.markInitialEnd;
    sink.onDrain(() => {
      this.#blocked = false;
      this.pump();
    });
    this.#cancelTimers.push(options.clock.after(options.timeoutMs, () => this.#end()));
    if (options.bookmarks) this.#scheduleBookmark();
  }

  /** Writes what there is, as far as the client takes it. */
  pump(): void {
    while (!this.#ended && !this.#blocked) {
      const wasInitial = !this.#watch.pastInitial;
      const taken = this.#watch.take(BATCH);
      if (!taken.ok) {
        this.#write([JSON.stringify({ type: "ERROR", object: taken.status })]);
        this.#end();
        return;
      }
      if (taken.value.length > 0) this.#write(taken.value.map(this.#options.encode));
      else if (!wasInitial) return;
      if (this.#markInitialEnd && this.#watch.pastInitial) this.#endInitial();
    }
  }

  stop(): void {
    this.#ended = true;
    this.#watch.close();
    for (const cancel of this.#cancelTimers) cancel();
    this.#cancelTimers = [];
  }

  #end(): void {
    if (this.#ended) return;
    this.stop();
    this.#sink.end();
  }

  #write(lines: readonly string[]): void {
    this.#blocked = !this.#sink.write(`${lines.join("\n")}\n`);
  }

  #endInitial(): void {
    this.#markInitialEnd = false;
    this.#writeBookmark({ annotations: { "k8s.io/initial-events-end": "true" } });
  }

  #scheduleBookmark(): void {
    const cancel = this.#options.clock.after(BOOKMARK_MS, () => {
      // Other kinds' changes move the revision on, too, without anything to tell here.
      this.pump();
      if (this.#ended) return;
      if (!this.#blocked && this.#watch.pastInitial) this.#writeBookmark({});
      this.#cancelTimers = this.#cancelTimers.filter(other => other !== cancel);
      this.#scheduleBookmark();
    });
    this.#cancelTimers.push(cancel);
  }

  #writeBookmark(more: JsonObject): void {
    const metadata = { resourceVersion: String(this.#watch.position), ...more };
    const object = this.#options.bookmark(metadata);
    this.#write([JSON.stringify({ type: "BOOKMARK", object })]);
  }
}
