import { isHopByHop, lengthsOf, namedByConnection, VIA } from './hop-by-hop.ts'

const SPECIAL_LENGTHS = lengthsOf(['via'])

/** The fields for a client: those of the target that go from end to end, in their order, then Via. */
export function rewriteResponseHeaders(given: readonly string[]): string[] {
  const headers: string[] = []
  let named: string[] = []
  let via = ''
  let hasTransferEncoding = false
  for (let at = 0; at < given.length; at += 2) {
    const name = given[at] ?? ''
    const value = given[at + 1] ?? ''
    if (SPECIAL_LENGTHS[name.length] !== true) {
      headers.push(name, value)
      continue
    }
    const lower = name.toLowerCase()
    if (isHopByHop(lower)) {
      if (lower === 'connection') named = [...named, ...(namedByConnection(value) ?? [])]
      else if (lower === 'transfer-encoding') hasTransferEncoding = true
    } else if (lower === 'via') {
      via = via === '' ? value : `${via}, ${value}`
    } else {
      headers.push(name, value)
    }
  }
  // RFC 9112 6.3: the coding decides about the length, and our connection has a coding of its own.
  if (hasTransferEncoding) named.push('content-length')
  const passing = named.length === 0 ? headers : without(headers, named, hasTransferEncoding)
  passing.push('Via', via === '' ? VIA : `${via}, ${VIA}`)
  return passing
}

function without(
  headers: readonly string[],
  named: readonly string[],
  mayDropLength: boolean,
): string[] {
  const kept: string[] = []
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? ''
    const lower = name.toLowerCase()
    // Whatever Connection claims, the length of a body is not the connection's.
    const isDropped = named.includes(lower) && (lower !== 'content-length' || mayDropLength)
    if (!isDropped) kept.push(name, headers[at + 1] ?? '')
  }
  return kept
}
