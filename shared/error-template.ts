import { ERROR_BODY_CHARS_MAX } from './access-limits.ts'
import { xmlFault } from './xml-fault.ts'

/** The forms in which clients are told of errors. */
export type ErrorFormat = 'json' | 'xml' | 'csv' | 'html'

/** How a value is written where a template has a variable; `text`: as it is. */
type Escaping = ErrorFormat | 'text'

type Part =
  | string
  | {
      readonly name: string
      /** As the template has it, for a variable that nobody knows. */
      readonly raw: string
      /** It stands between quotation marks of the template. */
      readonly isQuoted: boolean
    }

/** A template taken apart. */
export type ErrorTemplate = { readonly escaping: Escaping; readonly parts: readonly Part[] }

/** Gives the value of a variable; undefined for one that nobody knows. */
export type VariableOf = (name: string) => string | undefined

const VARIABLE = /^\{\{\s*([A-Za-z][A-Za-z0-9_.-]{0,63})\s*\}\}/

/** Takes a template apart, without the white space around it, or says in one sentence why it cannot be. */
export function parseErrorTemplate(
  given: string,
  escaping: Escaping,
):
  | { readonly ok: true; readonly template: ErrorTemplate }
  | { readonly ok: false; readonly reason: string } {
  const text = given.trim()
  const parts: Part[] = []
  let isQuoted = false
  let at = 0
  for (;;) {
    const open = text.indexOf('{{', at)
    const piece = text.slice(at, open < 0 ? text.length : open)
    if (piece !== '') parts.push(piece)
    isQuoted = quotesAfter(piece, escaping, isQuoted)
    if (open < 0) return { ok: true, template: { escaping, parts } }
    const found = VARIABLE.exec(text.slice(open, open + 80))
    if (found === null) {
      return { ok: false, reason: `has a "{{" at ${open} that begins no {{variable}}` }
    }
    const [raw, name = ''] = found
    parts.push({ name, raw, isQuoted })
    at = open + raw.length
  }
}

/** Whether what follows a piece of a template stands between quotation marks. */
function quotesAfter(piece: string, escaping: Escaping, before: boolean): boolean {
  if (escaping !== 'json' && escaping !== 'csv') return false
  let isQuoted = before
  for (let at = 0; at < piece.length; at++) {
    const char = piece[at]
    if (char === '\\' && escaping === 'json' && isQuoted) at++
    else if (char === '"') isQuoted = !isQuoted
  }
  return isQuoted
}

/** Fills a template in; null when more than ERROR_BODY_CHARS_MAX comes of it. */
export function renderErrorTemplate(
  { escaping, parts }: ErrorTemplate,
  valueOf: VariableOf,
): string | null {
  let text = ''
  for (const part of parts) {
    if (typeof part === 'string') text += part
    else {
      const value = valueOf(part.name)
      text += value === undefined ? part.raw : escaped(value, escaping, part.isQuoted)
    }
    if (text.length > ERROR_BODY_CHARS_MAX) return null
  }
  return text
}

function escaped(value: string, escaping: Escaping, isQuoted: boolean): string {
  switch (escaping) {
    case 'json': {
      const quoted = JSON.stringify(value)
      return isQuoted ? quoted.slice(1, -1) : quoted
    }
    case 'csv': {
      const doubled = value.replaceAll('"', '""')
      return isQuoted ? doubled : `"${doubled}"`
    }
    case 'xml':
    case 'html':
      return escapedMarkup(value)
    default:
      return value
  }
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function escapedMarkup(value: string): string {
  // XML has no way at all to write most control characters.
  // oxlint-disable-next-line no-control-regex -- those are what must not be in it
  return value.replace(/[&<>"']|[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, (char) => {
    return ENTITIES[char] ?? '\ufffd'
  })
}

/** What every error has to say; templates may name these, and what an Api adds. */
export const ERROR_VARIABLES: readonly string[] = [
  'code',
  'message',
  'status',
  'request_id',
  'base_url',
  'https_url',
  'signup_url',
  'contact_url',
  'baseUrl',
  'httpsUrl',
  'signupUrl',
  'contactUrl',
]

/** A value that breaks whatever does not escape it. */
const HOSTILE = `a "b" 'c' <d> & \\ , ;\n{{e}}`

/**
 * Why a template cannot be used, in one sentence: braces that are no variable; or, with every variable filled in, no JSON or
 * no XML. Null when it can.
 */
export function errorTemplateFault(
  text: string,
  escaping: Escaping,
  variables: ReadonlySet<string>,
): string | null {
  const parsed = parseErrorTemplate(text, escaping)
  if (!parsed.ok) return parsed.reason
  const rendered = renderErrorTemplate(parsed.template, (name) =>
    variables.has(name) ? HOSTILE : undefined,
  )
  if (rendered === null) return `becomes longer than ${ERROR_BODY_CHARS_MAX} (ERROR_BODY_CHARS_MAX)`
  if (escaping === 'xml') return xmlFault(rendered)
  return escaping === 'json' && !isJson(rendered)
    ? 'is no JSON once its variables are filled in'
    : null
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
