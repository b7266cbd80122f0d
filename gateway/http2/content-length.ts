import { CONTENT_LENGTH_DIGITS_MAX } from '../../shared/limits.ts'
import type { Fields } from '../http1/fields.ts'

/** What Content-Length says; undefined when it is not there, null when it is no number, or several. */
export function contentLength(fields: Fields): number | null | undefined {
  const text = fields.get('content-length')
  if (text === undefined) return undefined
  if (text.length === 0 || text.length > CONTENT_LENGTH_DIGITS_MAX) return null
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 48 || code > 57) return null
  }
  return Number(text)
}
