import { RECORD_TEXT_CHARS_MAX } from '../../shared/limits.ts'
import { suggest } from '../../shared/suggest.ts'
import type { RequestContext } from '../request-context.ts'
import { recordedQuery, recordedReferer } from './masks.ts'
import { recordedStatus, recordedTraceId, type RecordFormat } from './record-format.ts'
import type { QueryForm, RecordSettings } from './settings.ts'
import { millisText, MomentText, type Timing } from './timing.ts'

const COMMON = '{client} - - [{clfTime}] "{requestLine}" {status} {responseBytes}'

/** Formats that have a name, as templates. */
const NAMED: Readonly<Record<string, string>> = {
  common: COMMON,
  combined: `${COMMON} "{referer}" "{userAgent}"`,
}

/** What the fields of a template read. */
type Source = {
  readonly context: RequestContext
  readonly timing: Timing
  readonly moments: MomentText
  readonly settings: Pick<RecordSettings, 'gateway' | 'query'>
}

type Field = (source: Source) => string | number | null | undefined

/** Every field of the JSON form under the same name, and two that the Common Log Format has. */
const FIELDS: Readonly<Record<string, Field>> = {
  time: ({ moments, timing }) => moments.iso(timing.startedAtMs),
  gateway: ({ settings }) => settings.gateway,
  requestId: ({ context }) => context.requestId,
  traceId: ({ context }) => recordedTraceId(context),
  client: ({ context }) => context.exchange.clientAddress,
  method: ({ context }) => context.exchange.method,
  scheme: ({ context }) => (context.exchange.isTls ? 'https' : 'http'),
  host: ({ context }) => context.exchange.host,
  path: ({ context }) => context.exchange.path,
  query: ({ context, settings }) => recordedQuery(context.exchange.query, settings.query),
  protocol: ({ context }) => context.exchange.protocol,
  status: ({ context }) => recordedStatus(context),
  code: ({ context }) => context.code,
  api: ({ context }) => context.route?.api,
  route: ({ context }) => context.route?.id,
  upstream: ({ context }) => context.route?.upstreamKey,
  target: ({ context }) => context.target,
  attempts: ({ context }) => context.attempts,
  requestBytes: ({ context }) => context.requestBytes,
  responseBytes: ({ context }) => context.responseBytes,
  durationMs: ({ timing }) => millisText(timing.durationMs),
  upstreamMs: ({ context }) =>
    context.upstreamMs === null ? null : millisText(context.upstreamMs),
  referer: ({ context, settings }) => refererOf(context, settings.query),
  userAgent: ({ context }) => context.exchange.header('user-agent'),
  clfTime: ({ moments, timing }) => moments.clf(timing.startedAtMs),
  requestLine: ({ context, settings }) => requestLine(context, settings.query),
}

type Part = { readonly text: string; readonly field: Field | null }

/** What is wrong with a format, in words; null when nothing is. */
export function faultOfFormat(format: string): string | null {
  if (format === 'json' || format in NAMED) return null
  const read = readTemplate(format)
  if (typeof read === 'string') return read
  return read.some(({ field }) => field !== null)
    ? null
    : 'must be json, common, combined, or a template with at least one {field}'
}

/** A format by name, or by template. The settings must have no fault. */
export function templateFormat(settings: RecordSettings): RecordFormat {
  const parts = readTemplate(NAMED[settings.format] ?? settings.format)
  const moments = new MomentText()
  const list = typeof parts === 'string' ? [] : parts
  return (context, timing) => {
    const source = { context, timing, moments, settings }
    let line = ''
    for (const { text, field } of list) line += text + (field === null ? '' : shown(field(source)))
    return `${line}\n`
  }
}

/** The parts in order, or what is wrong. */
function readTemplate(template: string): readonly Part[] | string {
  const parts: Part[] = []
  let rest = 0
  for (const found of template.matchAll(/\{([^{}]*)\}/g)) {
    const name = found[1] ?? ''
    const field = fieldOf(name)
    if (field === null) {
      const meant = suggest(name, Object.keys(FIELDS))
      return `has no field {${name}}${meant === null ? '' : `, did you mean {${meant}}?`}`
    }
    parts.push({ text: template.slice(rest, found.index), field })
    rest = found.index + found[0].length
  }
  parts.push({ text: template.slice(rest), field: null })
  const isBroken = parts.some(({ text }) => /[{}\r\n]/.test(text))
  return isBroken ? 'must be one line, with braces around names of fields only' : parts
}

function fieldOf(name: string): Field | null {
  const header = /^header\.([!#$%&'*+.^_`|~0-9A-Za-z-]+)$/.exec(name)?.[1]?.toLowerCase()
  if (header !== undefined) return ({ context }) => context.exchange.header(header)
  return Object.hasOwn(FIELDS, name) ? (FIELDS[name] ?? null) : null
}

function refererOf({ exchange }: RequestContext, form: QueryForm): string | null {
  const referer = exchange.header('referer')
  return referer === undefined ? null : recordedReferer(referer, form)
}

function requestLine({ exchange }: RequestContext, form: QueryForm): string {
  const query = recordedQuery(exchange.query, form)
  return `${exchange.method} ${exchange.path}${query === '' ? '' : `?${query}`} ${exchange.protocol}`
}

// What could end a line, a quoted text, or be taken for an escape itself; and what is no ASCII.
const UNSAFE = /[^\x20-\x21\x23-\x5b\x5d-\x7e]/g
const SAFE = /^[\x20-\x21\x23-\x5b\x5d-\x7e]*$/

/** A value as it stands in a line: what a client sends can never look like another field or another line. */
function shown(value: string | number | null | undefined): string {
  if (typeof value === 'number') return String(value)
  if (value === null || value === undefined || value === '') return '-'
  const cut = value.length > RECORD_TEXT_CHARS_MAX ? value.slice(0, RECORD_TEXT_CHARS_MAX) : value
  return SAFE.test(cut) ? cut : cut.replaceAll(UNSAFE, escaped)
}

function escaped(char: string): string {
  const code = char.charCodeAt(0)
  const hex = code.toString(16).toUpperCase()
  return code < 256 ? `\\x${hex.padStart(2, '0')}` : `\\u${hex.padStart(4, '0')}`
}
