import { FIELD, type FieldId } from '../http1/field-names.ts'

/** Fields that belong to one connection and never pass (RFC 9110 7.6.1), and those of a proxy's own login. */
const HOP_BY_HOP: readonly FieldId[] = [
  FIELD.CONNECTION,
  FIELD.KEEP_ALIVE,
  FIELD.PROXY_CONNECTION,
  FIELD.PROXY_AUTHENTICATE,
  FIELD.PROXY_AUTHORIZATION,
  FIELD.TE,
  FIELD.TRAILER,
  FIELD.TRANSFER_ENCODING,
  FIELD.UPGRADE,
]

const IS_HOP_BY_HOP: readonly boolean[] = Array.from({ length: 32 }, (_, id) =>
  HOP_BY_HOP.some((hop) => hop === id),
)

/** Whether a field never passes. */
export function isHopByHop(id: FieldId): boolean {
  return IS_HOP_BY_HOP[id] === true
}

/**
 * `before`, and the lower-case names that a Connection field declares to belong to the connection too. Null while there is
 * none: the usual values name nothing.
 */
export function namedByConnection(
  value: string,
  before: readonly string[] | null,
): readonly string[] | null {
  const lower = value.toLowerCase()
  if (lower === 'keep-alive' || lower === 'close') return before
  return [...(before ?? []), ...lower.split(',').map((name) => name.trim())]
}

/** Field lines without those that have one of these lower-case names. */
export function without(lines: string, names: readonly string[]): string {
  let kept = ''
  for (let at = 0; at < lines.length;) {
    const end = lines.indexOf('\n', at) + 1
    const name = lines.slice(at, lines.indexOf(':', at)).toLowerCase()
    if (!names.includes(name)) kept += lines.slice(at, end)
    at = end
  }
  return kept
}

/** What a proxy says of itself on both ways. */
export const VIA = '1.1 raftway'
