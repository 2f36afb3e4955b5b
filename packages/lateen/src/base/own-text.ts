/**
 * The first characters of a text, as a text of its own: a plain `slice` keeps all of what it was cut
 * from in memory, and what clients send may have megabytes.
 */
export function ownText(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  return JSON.parse(JSON.stringify(text.slice(0, maxChars))) as string;
}
