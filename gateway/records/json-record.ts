import { RECORD_TEXT_CHARS_MAX } from '../../shared/limits.ts'
import type { RequestContext } from '../request-context.ts'
import { recordedQuery, recordedReferer } from './masks.ts'
import { recordedStatus, recordedTraceId, type RecordFormat } from './record-format.ts'
import type { RecordSettings } from './settings.ts'
import { millisText, MomentText } from './timing.ts'

/**
 * One JSON object a line, with the same members in the same order in every one: README lists them. Written by hand,
 * because to build an object and give it to JSON.stringify takes twice as long (test/bench/records.ts).
 */
export function jsonFormat({ gateway, query }: RecordSettings): RecordFormat {
  const moments = new MomentText()
  const name = JSON.stringify(gateway)
  return (context, { startedAtMs, durationMs }) => {
    const { exchange, route } = context
    const referer = exchange.header('referer')
    const { upstreamMs } = context
    return (
      `{"time":"${moments.iso(startedAtMs)}","gateway":${name},"requestId":${quoted(context.requestId)},` +
      `"traceId":${quoted(recordedTraceId(context))},` +
      `"client":"${exchange.clientAddress}","method":${quoted(exchange.method)},` +
      `"scheme":"${exchange.isTls ? 'https' : 'http'}","host":${quoted(exchange.host)},` +
      `"path":${quoted(exchange.path)},"query":${quoted(recordedQuery(exchange.query, query))},` +
      `"protocol":"${exchange.protocol}","status":${recordedStatus(context)},` +
      `"code":${context.code === null ? 'null' : `"${context.code}"`},` +
      `${placeOf(route)},"upstream":${quoted(route?.upstreamKey ?? null)},"target":${quoted(context.target)},` +
      `"attempts":${context.attempts},"requestBytes":${context.requestBytes},` +
      `"responseBytes":${context.responseBytes},"durationMs":${millisText(durationMs)},` +
      `"upstreamMs":${upstreamMs === null ? 'null' : millisText(upstreamMs)},` +
      `"referer":${quoted(referer === undefined ? null : recordedReferer(referer, query))},` +
      `"userAgent":${quoted(exchange.header('user-agent') ?? null)}}\n`
    )
  }
}

/** Names of definitions need no escapes. */
function placeOf(route: RequestContext['route']): string {
  return route === null ? '"api":null,"route":null' : `"api":"${route.api}","route":"${route.id}"`
}

// What JSON takes as it is.
const PLAIN = /^[\x20-\x21\x23-\x5b\x5d-\x7e]*$/

/** A text as JSON has it, cut at its bound; null as `null`. */
export function quoted(text: string | null): string {
  if (text === null) return 'null'
  const cut = text.length > RECORD_TEXT_CHARS_MAX ? text.slice(0, RECORD_TEXT_CHARS_MAX) : text
  return PLAIN.test(cut) ? `"${cut}"` : JSON.stringify(cut)
}
