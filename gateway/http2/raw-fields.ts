import { TRAILER_BYTES_MAX } from '../../shared/limits.ts'
import { FIELD_TEXT, TOKEN } from '../http1/bytes.ts'
import { FIELD, fieldIdOfName, type FieldId } from '../http1/field-names.ts'
import { Fields } from '../http1/fields.ts'
import { TOO_LARGE, USUAL_BOUNDS, type HeadBounds } from '../http1/head-bounds.ts'
import { malformed, type Refusal } from '../http1/refusal.ts'

/** Fields as HTTP/2 gives and takes them: name, value, name, value, … */
export type RawFields = readonly string[]

const BAD_NAME = malformed('a field has no name, or one that is no lower-case token')
const BAD_VALUE = malformed('a field value has a control character, or white space around it')
const LOOKALIKE = malformed('a field name differs from a known one only in "_" for "-"')
const OF_CONNECTION = malformed('a field of one connection has no place in HTTP/2')
const NOT_IN_TRAILERS = malformed('a field that says where a message goes or ends stands behind it')

/** RFC 9113 8.2.2. `te` is one as well, unless it says `trailers`. */
const CONNECTION_FIELDS: ReadonlySet<FieldId> = new Set([
  FIELD.CONNECTION,
  FIELD.KEEP_ALIVE,
  FIELD.PROXY_CONNECTION,
  FIELD.TRANSFER_ENCODING,
  FIELD.UPGRADE,
])

/**
 * The fields of a head, its pseudo-fields left out, in the form that all of the gateway reads. Cookies that were sent in
 * pieces are one again (RFC 9113 8.2.3). What could not go on in HTTP/1.1 as it is, or must not, is refused.
 */
export function readFields(raw: RawFields, bounds: HeadBounds): Fields | Refusal {
  const lines = new FieldLines()
  let cookies = ''
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] ?? ''
    const value = raw[i + 1] ?? ''
    if (name.charCodeAt(0) === 58) continue
    const id = fieldIdOfName(name)
    const refusal = faultOf(name, value, id)
    if (refusal !== null) return refusal
    if (name === 'cookie') cookies += cookies === '' ? value : `; ${value}`
    else lines.add(name, value, id)
  }
  if (cookies !== '') lines.add('cookie', cookies, FIELD.OTHER)
  return lines.finish(bounds.headBytesMax, bounds)
}

/** The fields behind a body (RFC 9113 8.1). */
export function readTrailers(raw: RawFields): Fields | Refusal {
  const lines = new FieldLines()
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] ?? ''
    const value = raw[i + 1] ?? ''
    const id = fieldIdOfName(name)
    if (name.charCodeAt(0) === 58 || (id !== FIELD.OTHER && id !== FIELD.DATE)) {
      return NOT_IN_TRAILERS
    }
    const refusal = faultOf(name, value, id)
    if (refusal !== null) return refusal
    lines.add(name, value, id)
  }
  return lines.finish(TRAILER_BYTES_MAX, USUAL_BOUNDS)
}

/** Whether fields were refused. */
export function isRefused(read: Fields | Refusal): read is Refusal {
  return !(read instanceof Fields)
}

class FieldLines {
  readonly #fields = new Fields()
  #text = ''

  add(name: string, value: string, id: FieldId): void {
    const line = this.#text.length
    const valueStart = line + name.length + 2
    this.#text += `${name}: ${value}\r\n`
    this.#fields.add(line, line + name.length, valueStart, valueStart + value.length, id)
  }

  finish(bytesMax: number, bounds: HeadBounds): Fields | Refusal {
    if (this.#fields.count > bounds.headFieldsMax) return bounds.tooManyFields
    if (this.#text.length > bytesMax) return TOO_LARGE
    this.#fields.text = `${this.#text}\r\n`
    return this.#fields
  }
}

function faultOf(name: string, value: string, id: FieldId): Refusal | null {
  if (!isName(name)) return BAD_NAME
  if (!isValue(value)) return BAD_VALUE
  if (id === FIELD.OTHER) return null
  if (id === FIELD.LOOKALIKE) return LOOKALIKE
  if (CONNECTION_FIELDS.has(id) || (id === FIELD.TE && value !== 'trailers')) return OF_CONNECTION
  return null
}

function isName(name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i)
    if (TOKEN[code] !== 1 || (code >= 65 && code <= 90)) return false
  }
  return name !== ''
}

function isValue(value: string): boolean {
  for (let i = 0; i < value.length; i++) {
    if (FIELD_TEXT[value.charCodeAt(i)] !== 1) return false
  }
  return !isBlank(value.charCodeAt(0)) && !isBlank(value.charCodeAt(value.length - 1))
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9
}
