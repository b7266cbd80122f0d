/** What a token says. */
export type Claims = Readonly<Record<string, unknown>>

/** One claim: of that name, or else the nested one that the path leads to. Undefined when there is none. */
export function claimAt(claims: Claims, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path]
  if (!path.includes('.')) return undefined
  let value: unknown = claims
  for (const name of path.split('.')) {
    if (value === null || typeof value !== 'object' || !Object.hasOwn(value, name)) return undefined
    value = (value as Claims)[name]
  }
  return value
}

/** Whether a claim is what is wanted: a value, one of several, or, for an object, just there. Of a list, one must be. */
export function fitsClaim(value: unknown, wanted: unknown): boolean {
  if (value === undefined || value === null) return false
  if (Array.isArray(wanted)) return wanted.some((each) => fitsClaim(value, each))
  if (typeof wanted === 'object') return true
  return Array.isArray(value) ? value.includes(wanted) : value === wanted
}

/** The words of a claim that has several: in a list, or in a text with spaces between (RFC 8693 4.2). */
export function wordsOf(value: unknown): readonly string[] {
  if (typeof value === 'string') return value.split(' ').filter((word) => word !== '')
  return Array.isArray(value)
    ? value.filter((word): word is string => typeof word === 'string')
    : []
}

/** A number of seconds in a claim; null when it is none. */
export function secondsOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null
}
