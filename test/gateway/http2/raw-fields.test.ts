// Goal: fields go from HTTP/2 to the form of HTTP/1.1 and back without a change of meaning, and nothing goes that
// HTTP/1.1 would read otherwise. Method: tables, and lists drawn at random that come back as they were.
import { USUAL_BOUNDS } from '../../../gateway/http1/head-bounds.ts'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { FIELD } from '../../../gateway/http1/field-names.ts'
import type { Fields } from '../../../gateway/http1/fields.ts'
import { addLines, fieldObject } from '../../../gateway/http2/outgoing-fields.ts'
import { isRefused, readFields, readTrailers } from '../../../gateway/http2/raw-fields.ts'

function fieldsOf(raw: readonly string[]): Fields {
  const read = readFields(raw, USUAL_BOUNDS)
  if (isRefused(read)) throw new Error(read.message)
  return read
}

test('pseudo-fields are left out, names are known, and cookies are one', () => {
  const fields = fieldsOf([
    ':path',
    '/',
    'cookie',
    'a=1',
    'host',
    'x',
    'cookie',
    'b=2',
    'x-one',
    'two',
  ])
  expect(fields.lines(0, fields.count)).toBe('host: x\r\nx-one: two\r\ncookie: a=1; b=2\r\n')
  expect(fields.idAt(0)).toBe(FIELD.HOST)
  expect(fields.idAt(1)).toBe(FIELD.OTHER)
  expect(fields.get('x-one')).toBe('two')
})

test.each([
  ['a line break', ['x-a', 'b\r\nHost: evil']],
  ['a lone line feed', ['x-a', 'b\nc']],
  ['a NUL', ['x-a', 'b\0c']],
  ['space before a value', ['x-a', ' b']],
  ['space behind a value', ['x-a', 'b\t']],
  ['a character of two bytes', ['x-a', '\u0141']],
  ['a name with a colon', ['x:a', 'b']],
  ['a name with a space', ['x a', 'b']],
  ['a name with an upper-case letter', ['X-a', 'b']],
  ['an empty name', ['', 'b']],
  ['Connection', ['connection', 'close']],
  ['Keep-Alive', ['keep-alive', 'timeout=5']],
  ['Proxy-Connection', ['proxy-connection', 'close']],
  ['Transfer-Encoding', ['transfer-encoding', 'chunked']],
  ['Upgrade', ['upgrade', 'h2c']],
  ['TE with anything but trailers', ['te', 'gzip']],
  ['a lookalike', ['content_length', '1']],
])('%s is refused', (_what, raw) => {
  expect(isRefused(readFields(raw, USUAL_BOUNDS))).toBe(true)
})

test.each([
  ['Content-Length', ['content-length', '1']],
  ['Host', ['host', 'x']],
  ['a pseudo-field', [':status', '200']],
])('%s is refused in trailers', (_what, raw) => {
  expect(isRefused(readTrailers(raw))).toBe(true)
})

test('what HTTP/1.1 keeps for one connection is left out', () => {
  const list: string[] = []
  addLines(list, 'Connection: x\r\nX-A:  1\t\r\nKeep-Alive: 5\r\nUpgrade: y\r\nx-b:\r\n')
  expect(list).toEqual(['x-a', '1', 'x-b', ''])
  expect(fieldObject('A: 1\r\nb: 2\r\na: 3\r\na: 4\r\n')).toEqual({ a: ['1', '3', '4'], b: '2' })
})

test('any fields come back as they were', () => {
  const name = fc.stringMatching(/^x-[a-z0-9!#$%&'*+.^`|~-]{0,20}$/)
  const value = fc.stringMatching(/^(|[!-~\u0080-\u00ff]([ -~\u0080-\u00ff]*[!-~\u0080-\u00ff])?)$/)
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value), { maxLength: 20 }), (pairs) => {
      const raw = pairs.flat()
      const fields = fieldsOf(raw)
      const list: string[] = []
      addLines(list, fields.lines(0, fields.count))
      expect(list).toEqual(raw)
    }),
  )
})
