/** `-o json` with four spaces as istioctl, `-o yaml` with keys in order as istioctl and kubectl. */
export async function renderObject(value: unknown, format: string): Promise<string> {
  if (format === "yaml") {
    // Loaded only when asked for: most commands print tables.
    const { stringify } = await import("yaml");
    const style = { indentSeq: false, sortMapEntries: true, lineWidth: 0 };
    // Quoted is also what only older readers would take for a time or a truth value.
    const safe = { aliasDuplicateObjects: false, compat: "yaml-1.1" } as const;
    return stringify(value, { ...safe, ...style });
  }
  return `${JSON.stringify(value, undefined, 4)}\n`;
}
