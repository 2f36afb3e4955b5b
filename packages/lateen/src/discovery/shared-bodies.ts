import type { ResourceList } from "./snapshot.ts";
import type { Resource } from "./types.ts";

/** The resources of one response, in pieces that can be written as they are. */
export interface Body {
  readonly blocks: readonly Uint8Array[];
  readonly bytes: number;
}

/** Small resources are joined up to this: copying them once costs less than writing each. */
export const BLOCK_BYTES = 64 * 1024;
/** So many different lists are on their way at once where every namespace has its own. */
const KEPT = 64;

type Form = "delta" | "sotw";

interface Joined extends Body {
  readonly form: Form;
  readonly resources: readonly Resource[];
}

/**
 * Joins the resources of responses for all streams of a server: streams that are sent the same list are
 * sent the same bytes. They are kept as long as somebody is sending them.
 */
export class SharedBodies {
  /** The one that was asked for last is the first. */
  #kept: WeakRef<Joined>[] = [];

  of(form: Form, list: ResourceList): Body {
    const { lists, resources } = list;
    if (lists !== undefined) return together(lists.map(part => this.of(form, part)));
    return this.#find(form, resources) ?? this.#keep(form, resources);
  }

  #find(form: Form, resources: readonly Resource[]): Body | undefined {
    for (const [place, kept] of this.#kept.entries()) {
      const joined = kept.deref();
      if (joined?.form !== form || !isSame(joined.resources, resources)) continue;
      if (place > 0) {
        this.#kept.splice(place, 1);
        this.#kept.unshift(kept);
      }
      return joined;
    }
    return undefined;
  }

  #keep(form: Form, resources: readonly Resource[]): Body {
    const joined: Joined = { ...bodyOf(form, resources), form, resources };
    const others = this.#kept.filter(kept => kept.deref() !== undefined);
    this.#kept = [new WeakRef(joined), ...others.slice(0, KEPT - 1)];
    return joined;
  }
}

/** Joins what is small; a resource that is large is a block of its own and not copied. */
export function bodyOf(form: Form, resources: readonly Resource[]): Body {
  const blocks: Uint8Array[] = [];
  let run: Uint8Array[] = [];
  let runBytes = 0;
  let bytes = 0;
  const flush = (): void => {
    const [only] = run;
    if (only !== undefined) blocks.push(run.length === 1 ? only : Buffer.concat(run, runBytes));
    run = [];
    runBytes = 0;
  };
  for (const { deltaField, sotwField } of resources) {
    const field = form === "delta" ? deltaField : sotwField;
    if (runBytes + field.length > BLOCK_BYTES) flush();
    run.push(field);
    runBytes += field.length;
    bytes += field.length;
  }
  flush();
  return { blocks, bytes };
}

function together(bodies: readonly Body[]): Body {
  return {
    blocks: bodies.flatMap(body => body.blocks),
    bytes: bodies.reduce((sum, body) => sum + body.bytes, 0),
  };
}

function isSame(a: readonly Resource[], b: readonly Resource[]): boolean {
  return a.length === b.length && (a === b || a.every((resource, i) => resource === b[i]));
}
