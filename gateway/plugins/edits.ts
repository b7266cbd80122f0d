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

/** A query without one parameter, wherever it stands; the others as they came, in their order. */
export function withoutParameter(query: string, name: string): string {
  return query
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

/** A Cookie field without one cookie; empty when no other is left. */
export function withoutCookie(header: string, name: string): string {
  return header
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair !== '' && pair.split('=', 1)[0] !== name)
    .join('; ')
}
