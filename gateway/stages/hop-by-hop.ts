/** Fields that belong to one connection and never pass (RFC 9110 7.6.1), and those of a proxy's own login. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Whether a field, by its lower-case name, never passes. */
export function isHopByHop(name: string): boolean {
  return HOP_BY_HOP.has(name)
}

/**
 * Lengths of names that hop-by-hop fields or `others` have. Most fields of most messages have another one, and pass
 * without their name being made lower case and looked up.
 */
export function lengthsOf(others: Iterable<string>): readonly boolean[] {
  const lengths: boolean[] = Array.from({ length: 32 }, () => false)
  for (const name of [...HOP_BY_HOP, ...others]) lengths[name.length] = true
  return lengths
}

/** Lower-case names that a Connection field declares to belong to the connection too; null for the usual values. */
export function namedByConnection(value: string): readonly string[] | null {
  const lower = value.toLowerCase()
  if (lower === 'keep-alive' || lower === 'close') return null
  return lower.split(',').map((name) => name.trim())
}

/** What a proxy says of itself on both ways. */
export const VIA = '1.1 raftway'
