import type { RequestContext } from '../request-context.ts'

/** The target does not get these fields of the client. Names in lower case; the list is kept, so a fixed one is best. */
export function dropFields(context: RequestContext, names: readonly string[]): void {
  context.dropped = context.dropped === null ? names : [...context.dropped, ...names]
}

/** The target gets a field, beside those of the client. */
export function addField(context: RequestContext, name: string, value: string): void {
  context.added += `${name}: ${fieldText(value)}\r\n`
}

/** A text as the value of a field: UTF-8, one character a byte, and no character that could end the line. */
export function fieldText(value: string): string {
  if (PLAIN.test(value)) return value
  // oxlint-disable-next-line no-control-regex -- those are what must not be in it
  return Buffer.from(value.replace(/[\x00-\x1f\x7f]/g, ' ')).toString('latin1')
}

const PLAIN = /^[\x20-\x7e]*$/

/** The target does not get a parameter of the query, wherever it stands; it gets the others as they came, in their order. */
export function dropParameter(context: RequestContext, name: string): void {
  const query = context.query ?? context.exchange.query
  if (query === '') return
  context.query = query
    .split('&')
    .filter((pair) => parameterName(pair) !== name)
    .join('&')
}

function parameterName(pair: string): string {
  const equals = pair.indexOf('=')
  const name = equals < 0 ? pair : pair.slice(0, equals)
  if (!name.includes('%') && !name.includes('+')) return name
  try {
    return decodeURIComponent(name.replaceAll('+', ' '))
  } catch {
    return name
  }
}

/** The target does not get these cookies of the client; it gets the others in their order. */
export function dropCookies(context: RequestContext, isDropped: (name: string) => boolean): void {
  // Somebody may have dropped others before.
  const left = COOKIE_LINE.exec(context.added)
  const field = left === null ? context.exchange.header('cookie') : left[1]
  if (field === undefined || (left === null && context.dropped?.includes('cookie') === true)) return
  const pairs = field.split(';').map((pair) => pair.trim())
  const kept = pairs.filter((pair) => pair !== '' && !isDropped(pair.split('=', 1)[0] ?? ''))
  if (kept.length === pairs.length) return
  if (left === null) dropFields(context, COOKIE)
  else context.added = context.added.replace(COOKIE_LINE, '')
  if (kept.length > 0) context.added += `Cookie: ${kept.join('; ')}\r\n`
}

const COOKIE = ['cookie']
const COOKIE_LINE = /^Cookie: (.*)\r\n/m
