import assert from "node:assert/strict";
import { test } from "node:test";
import { renderTable } from "./tabwriter.ts";

test("columns are as wide as their widest cell plus the padding, the last one is not padded", () => {
  const text = renderTable(
    [
      ["NAME", "AGE"],
      ["demoapp-gateway", "88s"],
    ],
    { padding: 3 },
  );
  assert.equal(text, "NAME              AGE\ndemoapp-gateway   88s\n");
});

test("an empty last cell leaves the padding of the one before it, as tabwriter does", () => {
  assert.equal(renderTable([["a", "b", ""]], { padding: 2 }), "a  b  \n");
});
