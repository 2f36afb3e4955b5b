/** `-o json` and `-o yaml`: four spaces as istioctl, YAML through the same library as our input. */
export async function renderObject(value: unknown, format: string): Promise<string> {
  if (format === "yaml") {
    // Loaded only when asked for: most commands print tables.
    const { stringify } = await import("yaml");
    return stringify(value, { aliasDuplicateObjects: false, lineWidth: 0 });
  }
  return `${JSON.stringify(value, undefined, 4)}\n`;
}
