// Goal: what a message means does not depend on the pieces in which its bytes come. Method: streams of messages, legal and
// damaged, read whole, byte by byte and at random cuts; everything that is told must be the same.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { HEAD_BYTES_MAX, TARGET_LINE_BYTES_MAX } from '../../../shared/limits.ts'
import { damaged, request, response } from './messages.ts'
import { bytewise, readRequests, readResponses, split, type Reading } from './reading.ts'

const places = fc.array(fc.nat(), { maxLength: 12 })

/** The first stream that is read otherwise from another split; null when there is none among many. */
function found(
  read: (pieces: readonly Buffer[]) => Reading,
  stream: fc.Arbitrary<string>,
): string | null {
  const details = fc.check(
    fc.property(stream, places, (text, cuts) => {
      const bytes = Buffer.from(text, 'latin1')
      const whole = read([bytes])
      expect(read(bytewise(bytes))).toEqual(whole)
      expect(read(split(bytes, cuts))).toEqual(whole)
    }),
    { numRuns: 1_500 },
  )
  return details.failed ? `${JSON.stringify(details.counterexample)} ${details.seed}` : null
}

function streamOf(message: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.array(message, { minLength: 1, maxLength: 3 }).map((messages) => messages.join(''))
}

test('legal requests are read alike from any split, and all of them', () => {
  fc.assert(
    fc.property(fc.array(request, { minLength: 1, maxLength: 3 }), places, (messages, cuts) => {
      const bytes = Buffer.from(messages.join(''), 'latin1')
      const reading = readRequests(split(bytes, cuts))
      expect(reading.outcome).toBe('end')
      expect(reading.messages).toHaveLength(messages.length)
      expect(readRequests([bytes])).toEqual(reading)
    }),
    { numRuns: 1_500 },
  )
})

test('damaged requests are read alike from any split', () => {
  expect(found(readRequests, streamOf(fc.oneof(request, damaged(request))))).toBe(null)
})

test('answers, legal and damaged, are read alike from any split', () => {
  const read = (pieces: readonly Buffer[]): Reading => readResponses('GET', pieces)
  expect(found(read, streamOf(fc.oneof(response, damaged(response))))).toBe(null)
})

test.each([
  [
    'a target that is too long',
    `GET /${'a'.repeat(TARGET_LINE_BYTES_MAX)} HTTP/1.1\r\nHost: a\r\n\r\n`,
  ],
  ['a first line without an end', `GET /${'a'.repeat(2 * TARGET_LINE_BYTES_MAX)}`],
  [
    'a first line that is too long and wrong',
    `GE\0T /${'a'.repeat(2 * TARGET_LINE_BYTES_MAX)}\r\n\r\n`,
  ],
  [
    'a field that is too long',
    `GET / HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(HEAD_BYTES_MAX)}\r\n\r\n`,
  ],
  ['a field without an end', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(HEAD_BYTES_MAX)}`],
  ['too many fields', `GET / HTTP/1.1\r\nHost: a\r\n${'X: y\r\n'.repeat(200)}\r\n`],
  [
    'a long head that fits',
    `GET / HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(HEAD_BYTES_MAX - 64)}\r\n\r\n`,
  ],
  ['an empty line before a request', '\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['two empty lines before a request', '\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a version that is cut', 'GET / HTT\nxxxxxxxxxxxx'],
])('%s is judged alike from any split', (_what, text) => {
  const bytes = Buffer.from(text, 'latin1')
  const whole = readRequests([bytes])
  expect(readRequests(bytewise(bytes))).toEqual(whole)
  for (const step of [2, 3, 7, 64, 1_000]) {
    const cuts = Array.from({ length: Math.ceil(bytes.length / step) }, (_, i) => i * step)
    expect(readRequests(split(bytes, cuts))).toEqual(whole)
  }
})
