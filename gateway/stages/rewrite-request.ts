import type { Exchange } from '../exchange.ts'
import { FIELD } from '../http1/field-names.ts'
import { isRequestId, type RequestIds } from '../request-id.ts'
import { namedByConnection, VIA, without } from './hop-by-hop.ts'

/** What a target is to see of a request's head: field lines, each with its CRLF. */
export type RewrittenHead = { readonly lines: string; readonly requestId: string }

/**
 * The field lines for a target: those of the client that go from end to end, as they came and in their order, then what a
 * gateway adds. Host and what frames the body are not among them: they follow from the target and the body.
 */
export function rewriteRequest(exchange: Exchange, ids: RequestIds): RewrittenHead {
  const given = exchange.fields
  let lines = ''
  let named: readonly string[] | null = null
  let via = ''
  let requestId = ''
  let forwardedFor = ''
  // Lines that pass are taken in runs, not one by one.
  let run = 0
  const { count } = given
  for (let i = 0; i < count; i++) {
    const id = given.idAt(i)
    if (id === FIELD.OTHER || id === FIELD.DATE) continue
    lines += given.lines(run, i)
    run = i + 1
    if (id === FIELD.CONNECTION) named = namedByConnection(given.valueAt(i), named)
    else if (id === FIELD.VIA) via = joined(via, given.valueAt(i))
    else if (id === FIELD.X_FORWARDED_FOR) forwardedFor = joined(forwardedFor, given.valueAt(i))
    else if (id === FIELD.X_REQUEST_ID) requestId = requestId === '' ? given.valueAt(i) : ' '
  }
  lines += given.lines(run, count)
  if (named !== null) lines = without(lines, named)
  if (!isRequestId(requestId)) requestId = ids.next()
  lines +=
    `X-Forwarded-For: ${joined(forwardedFor, exchange.peerAddress)}\r\n` +
    `X-Forwarded-Proto: ${exchange.isTls ? 'https' : 'http'}\r\n` +
    `X-Forwarded-Host: ${exchange.authority}\r\nX-Forwarded-Port: ${exchange.localPort}\r\n` +
    `X-Request-Id: ${requestId}\r\nVia: ${joined(via, VIA)}\r\n`
  return { lines, requestId }
}

function joined(before: string, value: string): string {
  return before === '' ? value : `${before}, ${value}`
}
