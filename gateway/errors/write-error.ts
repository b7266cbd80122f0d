import {
  parseErrorTemplate,
  renderErrorTemplate,
  type ErrorFormat,
  type ErrorTemplate,
  type VariableOf,
} from '../../shared/error-template.ts'
import { assert } from '../../shared/assert.ts'
import { ERROR_NESTING_MAX } from '../../shared/access-limits.ts'
import type { CompiledErrors } from './compile-errors.ts'
import type { ChosenFormat } from './format-of.ts'

/** An error of the gateway, and what is known of the request. */
export type ErrorFacts = {
  readonly code: string
  readonly message: string
  readonly status: number
  readonly requestId: string
  /** `https://api.example.com`, as the client came. */
  readonly baseUrl: string
  /** What the client would ask for over https. */
  readonly httpsUrl: string
}

/** An error as it is sent. */
type WrittenError = {
  readonly body: string
  readonly message: string
  /** Null: none. */
  readonly cacheControl: string | null
}

/**
 * Writes an error in the form that the client asked for: as its Api has it, else as every Api has it. The JSON of an Api that
 * says nothing else is the one that clients rely on: `{"error":{"code","message"}}` and a line feed.
 */
export function writeError(
  facts: ErrorFacts,
  { format }: ChosenFormat,
  errors: CompiledErrors | null,
): WrittenError {
  const values = new Values(facts, errors)
  const message = values.of('message') ?? facts.message
  const own = ownTemplate(facts.code, format, errors)
  const body = own === undefined ? null : renderErrorTemplate(own, (name) => values.of(name))
  const cacheControl =
    errors?.data.has('cache_control') === true ? values.of('cache_control') : null
  return {
    body: body ?? defaultBody(format, facts.code, message),
    message,
    cacheControl: cacheControl ?? null,
  }
}

function ownTemplate(
  code: string,
  format: ErrorFormat,
  errors: CompiledErrors | null,
): ErrorTemplate | undefined {
  const page = format === 'html' ? errors?.pages.get(code) : undefined
  return page ?? errors?.templates.get(format)
}

function defaultBody(format: ErrorFormat, code: string, message: string): string {
  if (format === 'json') return `${JSON.stringify({ error: { code, message } })}\n`
  const values: VariableOf = (name) => (name === 'code' ? code : message)
  const text = renderErrorTemplate(DEFAULTS[format], values)
  return text ?? renderErrorTemplate(DEFAULTS[format], () => code) ?? code
}

const DEFAULTS: Readonly<Record<Exclude<ErrorFormat, 'json'>, ErrorTemplate>> = {
  xml: template(
    '<?xml version="1.0" encoding="UTF-8"?>' +
      '<response><error><code>{{code}}</code><message>{{message}}</message></error></response>',
    'xml',
  ),
  csv: template('Error Code,Error Message\n{{code}},{{message}}', 'csv'),
  html: template('<html><body><h1>{{code}}</h1><p>{{message}}</p></body></html>', 'html'),
}

function template(text: string, format: ErrorFormat): ErrorTemplate {
  const parsed = parseErrorTemplate(text, format)
  assert(parsed.ok, 'a template of our own is good')
  return parsed.template
}

const CONTACT: ErrorTemplate = {
  escaping: 'text',
  parts: [{ name: 'base_url', raw: '', isQuoted: false }, '/contact/'],
}

/** The values of variables of one error; those of its Api may name others, ERROR_NESTING_MAX deep. */
class Values {
  readonly #facts: ErrorFacts
  readonly #errors: CompiledErrors | null
  readonly #known = new Map<string, string | undefined>()
  #depth = 0

  constructor(facts: ErrorFacts, errors: CompiledErrors | null) {
    this.#facts = facts
    this.#errors = errors
  }

  of(name: string): string | undefined {
    if (this.#known.has(name)) return this.#known.get(name)
    if (this.#depth >= ERROR_NESTING_MAX) return undefined
    this.#depth += 1
    const value = this.#find(name)
    this.#depth -= 1
    // What was found at the end of the depth may be cut short.
    if (this.#depth === 0 || value !== undefined) this.#known.set(name, value)
    return value
  }

  #find(name: string): string | undefined {
    const { code, message, status, requestId, baseUrl, httpsUrl } = this.#facts
    switch (name) {
      case 'code':
        return code
      case 'message':
        return this.#filled(this.#errors?.messages.get(code)) ?? message
      case 'status':
        return String(status)
      case 'request_id':
        return requestId
      case 'base_url':
      case 'baseUrl':
        return baseUrl
      case 'https_url':
      case 'httpsUrl':
        return httpsUrl
      case 'signupUrl':
        return this.of('signup_url')
      case 'contactUrl':
        return this.of('contact_url')
      case 'signup_url':
        return this.#filled(this.#errors?.data.get(name)) ?? baseUrl
      case 'contact_url':
        return this.#filled(this.#errors?.data.get(name) ?? CONTACT)
      default:
        return this.#filled(this.#errors?.data.get(name))
    }
  }

  #filled(found: ErrorTemplate | undefined): string | undefined {
    if (found === undefined) return undefined
    return renderErrorTemplate(found, (name) => this.of(name)) ?? undefined
  }
}
