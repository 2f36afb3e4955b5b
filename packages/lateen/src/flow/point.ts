/**
 * Dependencies. A *point* is one thing that can be read: a row, the absence of a row, a bucket of an
 * index, the answer to a selector query, a cell. A *dependent* is a computation that read points.
 * An *edge* joins the two and sits in two linked lists at once: there may be a million of them, and
 * this way none needs room in a set nor a search to be removed.
 *
 * Points exist only while something depends on them: the last edge to go takes the point along.
 */
import type { Explanation } from "./types.ts";

/** Names what a point stands for, for `explain`. */
export type InputDescription = Explanation["inputs"][number];

class Edge {
  readonly point: Point;
  readonly dependent: Dependent;
  /** The dependent's list, in the order of reading. */
  nextInput: Edge | undefined;
  /** The point's list. */
  nextReader: Edge | undefined;
  previousReader: Edge | undefined;

  constructor(point: Point, dependent: Dependent) {
    this.point = point;
    this.dependent = dependent;
  }
}

export class Point {
  readonly map: PointMap;
  readonly key: string;
  /** The last run that read this point; runs are numbered. Makes a second read free. */
  lastRun = 0;
  firstReader: Edge | undefined;

  constructor(map: PointMap, key: string) {
    this.map = map;
    this.key = key;
  }
}

/** What an owner of points says about them. */
export interface PointOwner {
  /** False for cells: their signal says that the value may change, and nobody knows yet. */
  readonly certain: boolean;
  describe(key: string): readonly InputDescription[];
  /** The last dependent of this key went away. */
  onIdle?(key: string): void;
  /** Cells only: brings the cell up to date and returns the revision of its last change. */
  settle?(key: string): number;
}

/** The points of one kind that one owner offers, by key. */
export class PointMap {
  readonly owner: PointOwner;
  readonly #points = new Map<string, Point>();

  constructor(owner: PointOwner) {
    this.owner = owner;
  }

  get size(): number {
    return this.#points.size;
  }

  has(key: string): boolean {
    return this.#points.has(key);
  }

  /** The point of this key, made when it is first read. */
  at(key: string): Point {
    let point = this.#points.get(key);
    if (point === undefined) {
      point = new Point(this, key);
      this.#points.set(key, point);
    }
    return point;
  }

  /** Tells everyone who read this key that it changed. */
  signal(key: string): void {
    const point = this.#points.get(key);
    for (let edge = point?.firstReader; edge !== undefined; edge = edge.nextReader) {
      edge.dependent.invalidate(this.owner.certain);
    }
  }

  forget(point: Point): void {
    this.#points.delete(point.key);
    this.owner.onIdle?.(point.key);
  }

  countEdges(): number {
    let count = 0;
    for (const point of this.#points.values()) {
      for (let edge = point.firstReader; edge !== undefined; edge = edge.nextReader) count++;
    }
    return count;
  }
}

/** A computation whose reads are tracked. */
export abstract class Dependent {
  firstInput: Edge | undefined;

  /** Something read has changed for certain, or (through a cell) perhaps. */
  abstract invalidate(certain: boolean): void;

  *inputs(): IterableIterator<Point> {
    for (let edge = this.firstInput; edge !== undefined; edge = edge.nextInput) yield edge.point;
  }

  /** Lets go of everything that was read. */
  unlinkAll(): void {
    const dropped = this.firstInput;
    this.firstInput = undefined;
    unlinkFrom(dropped);
  }
}

/** Everything that the last run of a dependent read, in the order of reading. */
export function describeInputs(dependent: Dependent | undefined): InputDescription[] {
  const described: InputDescription[] = [];
  for (const { map, key } of dependent?.inputs() ?? []) described.push(...map.owner.describe(key));
  return described;
}

/**
 * Collects what one run of a dependent reads. Runs mostly read what the run before read, in the same
 * order: that prefix is kept, and only edges behind the first difference are exchanged.
 */
export class ReadLog {
  readonly #dependent: Dependent;
  readonly #run: number;
  #lastKept: Edge | undefined;
  #expected: Edge | undefined;
  readonly #fresh: Point[] = [];

  constructor(dependent: Dependent, run: number) {
    this.#dependent = dependent;
    this.#run = run;
    this.#expected = dependent.firstInput;
  }

  add(point: Point): void {
    const { lastRun } = point;
    if (lastRun === this.#run) return;
    point.lastRun = this.#run;
    // A run nested in this one (a cell that was read) may have overwritten this run's mark.
    if (lastRun > this.#run && this.#has(point)) return;
    if (this.#fresh.length === 0 && this.#expected?.point === point) {
      this.#lastKept = this.#expected;
      this.#expected = this.#expected.nextInput;
    } else {
      this.#fresh.push(point);
    }
  }

  #has(point: Point): boolean {
    if (this.#fresh.includes(point)) return true;
    let edge = this.#lastKept === undefined ? undefined : this.#dependent.firstInput;
    for (; edge !== undefined; edge = edge.nextInput) {
      if (edge.point === point) return true;
      if (edge === this.#lastKept) return false;
    }
    return false;
  }

  /** Makes the dependent's edges exactly those of this run. */
  finish(): void {
    const dropped = this.#expected;
    let last = this.#lastKept;
    if (last === undefined) this.#dependent.firstInput = undefined;
    else last.nextInput = undefined;
    // New edges before old ones go: a point in both lists must not be forgotten in between.
    for (const point of this.#fresh) {
      const edge = link(point, this.#dependent);
      if (last === undefined) this.#dependent.firstInput = edge;
      else last.nextInput = edge;
      last = edge;
    }
    unlinkFrom(dropped);
  }
}

function link(point: Point, dependent: Dependent): Edge {
  const edge = new Edge(point, dependent);
  edge.nextReader = point.firstReader;
  if (point.firstReader !== undefined) point.firstReader.previousReader = edge;
  point.firstReader = edge;
  return edge;
}

function unlinkFrom(first: Edge | undefined): void {
  for (let edge = first; edge !== undefined; edge = edge.nextInput) {
    const { point, previousReader, nextReader } = edge;
    if (previousReader === undefined) point.firstReader = nextReader;
    else previousReader.nextReader = nextReader;
    if (nextReader !== undefined) nextReader.previousReader = previousReader;
    if (point.firstReader === undefined) point.map.forget(point);
  }
}
