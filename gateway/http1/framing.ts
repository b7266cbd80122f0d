import { CONTENT_LENGTH_DIGITS_MAX } from '../../shared/limits.ts'
import { equalsLower, SPACE, TAB } from './bytes.ts'
import { malformed, type Refusal } from './refusal.ts'

const NO_LENGTH = malformed('Content-Length is not a number of bytes')
const TWO_LENGTHS = malformed('there is more than one Content-Length')
const BOTH = malformed('there are both Content-Length and Transfer-Encoding')
const TWO_CODINGS = malformed('there is more than one Transfer-Encoding')
const OLD_CODING = malformed('HTTP/1.0 has no Transfer-Encoding')
const NOT_CHUNKED = malformed('the last transfer coding is not chunked')
const OTHER_CODING: Refusal = {
  code: 'TRANSFER_CODING_NOT_SUPPORTED',
  message: 'the only transfer coding that is taken is chunked',
}

/**
 * What a head says about where its body ends (RFC 9112 6). Whatever two readers could understand in two ways is refused:
 * repeated lengths even where they agree, a length beside a coding, a coding that is not exactly `chunked`.
 */
export class Framing {
  /** Null: there is no Content-Length. */
  contentLength: number | null = null
  isChunked = false

  clear(): void {
    this.contentLength = null
    this.isChunked = false
  }

  /** Takes a Content-Length field. */
  length(bytes: Uint8Array, from: number, to: number): Refusal | null {
    if (hasTab(bytes, from, to)) return NO_LENGTH
    if (this.contentLength !== null) return TWO_LENGTHS
    if (from === to || to - from > CONTENT_LENGTH_DIGITS_MAX) return NO_LENGTH
    let length = 0
    for (let at = from; at < to; at++) {
      const digit = (bytes[at] ?? 0) - 48
      if (digit < 0 || digit > 9) return NO_LENGTH
      length = length * 10 + digit
    }
    this.contentLength = length
    return null
  }

  /** Takes a Transfer-Encoding field. */
  coding(bytes: Uint8Array, from: number, to: number): Refusal | null {
    if (hasTab(bytes, from, to)) return NOT_CHUNKED
    if (this.isChunked) return TWO_CODINGS
    if (equalsLower(bytes, from, to, 'chunked')) {
      this.isChunked = true
      return null
    }
    const isLast = to - from > 8 && equalsLower(bytes, to - 7, to, 'chunked')
    const before = bytes[to - 8]
    return isLast && (before === 44 || before === 32) ? OTHER_CODING : NOT_CHUNKED
  }

  /** What is wrong with the fields together. */
  check(minor: number): Refusal | null {
    if (!this.isChunked) return null
    if (this.contentLength !== null) return BOTH
    return minor === 0 ? OLD_CODING : null
  }
}

/** Whether a tab stands beside the value: legal white space, which parsers disagree about just where it matters. */
function hasTab(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from - 1; bytes[at] === SPACE || bytes[at] === TAB; at--) {
    if (bytes[at] === TAB) return true
  }
  for (let at = to; bytes[at] === SPACE || bytes[at] === TAB; at++) {
    if (bytes[at] === TAB) return true
  }
  return false
}
