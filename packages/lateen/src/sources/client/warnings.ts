/** `299 - "text", 299 - "text"`; quotes inside are escaped (RFC 7234 section 5.5). */
export function parseWarnings(header: string): string[] {
  const texts = header.matchAll(/299 \S+ "((?:[^"\\]|\\.)*)"/g);
  return [...texts].map(match => (match[1] ?? "").replace(/\\(.)/g, "$1"));
}
