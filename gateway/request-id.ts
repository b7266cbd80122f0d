import { randomBytes } from 'node:crypto'
import { REQUEST_ID_CHARS_MAX } from '../shared/limits.ts'

/** Ids for requests that came without one: chance once per worker, then a count. Unique across a fleet. */
export class RequestIds {
  readonly #prefix = randomBytes(9).toString('hex')
  #next = 0

  next(): string {
    this.#next += 1
    return `${this.#prefix}-${this.#next.toString(36)}`
  }
}

/** Whether a client's own id is kept: visible ASCII, and not too long for a log line. */
export function isRequestId(text: string): boolean {
  if (text === '' || text.length > REQUEST_ID_CHARS_MAX) return false
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code <= 32 || code >= 127) return false
  }
  return true
}
