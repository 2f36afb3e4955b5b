/**
 * What an object itself has under a key that came from outside. `record[key]` also finds what every
 * object inherits: `constructor`, `toString`, `__proto__`.
 */
export function own<T>(
  record: Readonly<Partial<Record<string, T>>> | undefined,
  key: string,
): T | undefined {
  return record !== undefined && Object.hasOwn(record, key) ? record[key] : undefined;
}
