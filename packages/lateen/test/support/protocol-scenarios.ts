/** What the protocol's tests share: a source with a few types, and playing a scenario in both forms. */
import { test } from "node:test";
import { endpointType, routeType, secretType } from "../../src/discovery/type-order.ts";
import { FakeConfigSource } from "./fake-config-source.ts";
import type { Form, Received } from "./protocol-client.ts";

const both = ["delta", "sotw"] as const;

export function source(tables: Record<string, Record<string, string>> = {}): FakeConfigSource {
  const made = new FakeConfigSource();
  for (const type of [endpointType, routeType, secretType]) made.namedOnly.add(type);
  made.commit(edit => {
    for (const [type, resources] of Object.entries(tables)) {
      for (const [name, version] of Object.entries(resources)) edit.set(type, name, version);
    }
  });
  return made;
}

export function types(received: readonly Received[]): string[] {
  return received.map(({ type }) => type);
}

export function eventsOf(mesh: FakeConfigSource, kind: string): number {
  return mesh.connections.flatMap(c => c.events).filter(event => event.kind === kind).length;
}

/** Plays a scenario once in each form. */
export function inBothForms(name: string, scenario: (form: Form) => void): void {
  for (const form of both) test(`${name} (${form})`, () => scenario(form));
}
