/**
 * A copy of a JSON value with every object's keys in one stated order (integer-like keys first, as the language
 * has them, then by code unit), so that `JSON.stringify` of equal values gives equal bytes. Survives a round trip
 * through parse and stringify. Members that are `undefined` are left out.
 */
export function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical)
  if (value === null || typeof value !== 'object') return value
  const copy: Record<string, unknown> = {}
  for (const [key, member] of Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    if (member === undefined) continue
    // `__proto__` as an own key must stay a key.
    Object.defineProperty(copy, key, {
      value: canonical(member),
      enumerable: true,
      writable: true,
      configurable: true,
    })
  }
  return copy
}

/** The canonical text of a JSON value, on one line. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(canonical(value))
}

/** The canonical text for people and git: two spaces, one final newline. */
export function readableJson(value: unknown): string {
  return `${JSON.stringify(canonical(value), null, 2)}\n`
}
