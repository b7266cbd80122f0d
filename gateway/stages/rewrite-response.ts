import { FIELD } from '../http1/field-names.ts'
import type { Fields } from '../http1/fields.ts'
import { isHopByHop, namedByConnection, VIA, without } from './hop-by-hop.ts'

/**
 * The field lines for a client: those of the target that go from end to end, as they came and in their order, then Via, and
 * Date where the target said none (RFC 9110 6.6.1). What frames the message is not among them.
 */
export function rewriteResponse(given: Fields, httpDate: () => string): string {
  let lines = ''
  let named: readonly string[] | null = null
  let via = ''
  let hasDate = false
  // Lines that pass are taken in runs, not one by one.
  let run = 0
  const { count } = given
  for (let i = 0; i < count; i++) {
    const id = given.idAt(i)
    if (id === FIELD.OTHER) continue
    if (id === FIELD.DATE) {
      hasDate = true
      continue
    }
    if (id === FIELD.CONNECTION) named = namedByConnection(given.valueAt(i), named)
    else if (id === FIELD.VIA) via = via === '' ? given.valueAt(i) : `${via}, ${given.valueAt(i)}`
    else if (id !== FIELD.CONTENT_LENGTH && !isHopByHop(id)) continue
    lines += given.lines(run, i)
    run = i + 1
  }
  lines += given.lines(run, count)
  if (named !== null) lines = without(lines, named)
  if (!hasDate) lines += `Date: ${httpDate()}\r\n`
  return lines + (via === '' ? `Via: ${VIA}\r\n` : `Via: ${via}, ${VIA}\r\n`)
}

/**
 * The field lines of a 101 for a client: as `rewriteResponse`, and the protocol that is spoken from here on: what the target
 * names, or, as one of HTTP/2 names none, what was asked for.
 */
export function rewriteUpgrade(given: Fields, asked: string, httpDate: () => string): string {
  const protocol = given.get('upgrade') ?? asked
  return `${rewriteResponse(given, httpDate)}Connection: Upgrade\r\nUpgrade: ${protocol}\r\n`
}
