/** What an element of a `LinkedList` must have; the list writes it. */
export interface Links<E> {
  next: E | undefined;
  previous: E | undefined;
}

/** A doubly linked list through its own elements, newest first; an element is in one list once. */
export class LinkedList<E extends Links<E>> {
  first: E | undefined;
  last: E | undefined;

  /** Puts it before all others. The element must not be in a list. */
  add(element: E): void {
    element.next = this.first;
    element.previous = undefined;
    if (this.first === undefined) this.last = element;
    else this.first.previous = element;
    this.first = element;
  }

  /** The element must be in this list. */
  remove(element: E): void {
    const { next, previous } = element;
    if (previous === undefined) this.first = next;
    else previous.next = next;
    if (next === undefined) this.last = previous;
    else next.previous = previous;
    element.next = undefined;
    element.previous = undefined;
  }

  *[Symbol.iterator](): IterableIterator<E> {
    for (let element = this.first; element !== undefined; element = element.next) yield element;
  }
}
