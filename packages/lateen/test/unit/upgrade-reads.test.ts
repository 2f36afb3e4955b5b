/**
 * What an earlier version let in, this one reads. A new refusal that is none of `Diagnostic.newOnly`
 * fails here: objects that are stored would be gone after an upgrade.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type * as registry from "../../src/api/registry.ts";
import { allKinds } from "../../src/api/registry.ts";
import { budget } from "../support/budget.ts";
import {
  BEFORE_COMPACT_METRICS,
  earlierVersion,
  whyNoEarlier,
} from "../support/earlier-version.ts";
import { objectOfKind } from "../support/objects-of-kind.ts";

const skip = whyNoEarlier(BEFORE_COMPACT_METRICS) ?? false;
/** Of each kind. */
const RUNS = 400;
/** Deep kinds are seldom valid by chance; a generator that makes none would prove nothing. */
const LEAST_READ = 5;

test("every object that the earlier version reads is read", { skip }, async t => {
  const earlier = earlierVersion(BEFORE_COMPACT_METRICS);
  t.after(() => earlier.remove());
  const { allKinds: earlierKinds } = await earlier.load<typeof registry>("src/api/registry.ts");
  for (const before of earlierKinds) {
    const after = allKinds.find(
      ({ group, kind }) => group === before.group && kind === before.kind,
    );
    assert.ok(after !== undefined, `${before.kind} is still a kind`);
    let read = 0;
    fc.assert(
      fc.property(fc.integer(), fc.constantFrom(0, 0, 0, 60), (seed, oddOnes) => {
        const object = objectOfKind(before, seed, oddOnes);
        if (!before.decode(object).ok) return;
        read++;
        const { ok, diagnostics } = after.decode(object);
        const errors = diagnostics.filter(({ severity }) => severity === "error");
        assert.ok(ok, `${JSON.stringify(object)}: ${JSON.stringify(errors)}`);
      }),
      budget(RUNS),
    );
    assert.ok(read >= LEAST_READ, `${before.kind}: ${read} of the objects were valid`);
  }
});
