import type { Exchange } from '../exchange.ts'
import { isRequestId, type RequestIds } from '../request-id.ts'
import { isHopByHop, lengthsOf, namedByConnection, VIA } from './hop-by-hop.ts'

/** What a target is to see of a request's head. */
export type RewrittenHead = { readonly headers: string[]; readonly requestId: string }

/** Fields that are read on the way and told anew. */
const OURS = new Set([
  'host',
  'content-length',
  'expect',
  'via',
  'x-request-id',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-forwarded-port',
])

const SPECIAL_LENGTHS = lengthsOf(OURS)

/**
 * The fields for a target: those of the client that go from end to end, in their order, then what a gateway adds. Host
 * and Content-Length are not among them: they follow from the target and the body.
 */
export function rewriteRequestHeaders(exchange: Exchange, ids: RequestIds): RewrittenHead {
  const given = exchange.headers
  const headers: string[] = []
  let named: readonly string[] | null = null
  let via = ''
  let requestId = ''
  let forwardedFor = ''
  for (let at = 0; at < given.length; at += 2) {
    const name = given[at] ?? ''
    const value = given[at + 1] ?? ''
    if (SPECIAL_LENGTHS[name.length] !== true) {
      headers.push(name, value)
      continue
    }
    const lower = name.toLowerCase()
    if (isHopByHop(lower)) {
      if (lower === 'connection') named = [...(named ?? []), ...(namedByConnection(value) ?? [])]
    } else if (!OURS.has(lower)) {
      headers.push(name, value)
    } else if (lower === 'via') {
      via = joined(via, value)
    } else if (lower === 'x-forwarded-for') {
      forwardedFor = joined(forwardedFor, value)
    } else if (lower === 'x-request-id') {
      requestId = requestId === '' ? value : ''
    }
  }
  if (!isRequestId(requestId)) requestId = ids.next()
  const passing = named === null || named.length === 0 ? headers : without(headers, named)
  passing.push(
    'X-Forwarded-For',
    joined(forwardedFor, exchange.clientAddress),
    'X-Forwarded-Proto',
    exchange.isTls ? 'https' : 'http',
    'X-Forwarded-Host',
    exchange.authority,
    'X-Forwarded-Port',
    String(exchange.localPort),
    'X-Request-Id',
    requestId,
    'Via',
    joined(via, VIA),
  )
  return { headers: passing, requestId }
}

function joined(before: string, value: string): string {
  return before === '' ? value : `${before}, ${value}`
}

function without(headers: readonly string[], named: readonly string[]): string[] {
  const kept: string[] = []
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? ''
    if (!named.includes(name.toLowerCase())) kept.push(name, headers[at + 1] ?? '')
  }
  return kept
}
