import { USUAL_BOUNDS } from '../../../gateway/http1/head-bounds.ts'
import { expect, test } from 'vitest'
import { FIELD, fieldIdOf } from '../../../gateway/http1/field-names.ts'
import type { Fields } from '../../../gateway/http1/fields.ts'
import { HeadReader } from '../../../gateway/http1/head-reader.ts'
import { RequestHead } from '../../../gateway/http1/request-head.ts'

function fieldsOf(lines: string): Fields {
  const head = new RequestHead(USUAL_BOUNDS)
  const bytes = Buffer.from(`GET / HTTP/1.1\r\nHost: a\r\n${lines}\r\n`, 'latin1')
  expect(new HeadReader(head).read(bytes, 0, bytes.length)).toBe(bytes.length)
  return head.fields
}

function idOf(name: string): number {
  const bytes = Buffer.from(`..${name}..`)
  return fieldIdOf(bytes, 2, 2 + name.length)
}

test('every known field is known in any case, and nothing else is', () => {
  for (const [constant, id] of Object.entries(FIELD)) {
    if (constant === 'OTHER' || constant === 'LOOKALIKE') continue
    const name = constant.toLowerCase().replaceAll('_', '-')
    expect(idOf(name)).toBe(id)
    expect(idOf(name.toUpperCase())).toBe(id)
    expect(idOf(`${name}x`)).not.toBe(id)
    expect(idOf(name.slice(1))).not.toBe(id)
    expect(idOf(name.replace('-', '_'))).toBe(name.includes('-') ? FIELD.LOOKALIKE : id)
  }
  for (const name of ['accept', 'x-api-key', 'hosT!', 'h0st', 'user-agent', 'X-Forwarded-By', '']) {
    expect(idOf(name)).toBe(FIELD.OTHER)
  }
})

test('a field is found by its name in any case; several are joined', () => {
  const fields = fieldsOf('Accept: a\r\nX: 1\r\naccept:  b \r\nCookie: c=1\r\ncookie: d=2\r\n')
  expect(fields.get('accept')).toBe('a, b')
  expect(fields.get('cookie')).toBe('c=1; d=2')
  expect(fields.get('x')).toBe('1')
  expect(fields.get('y')).toBeUndefined()
  expect(fields.get('accep')).toBeUndefined()
})

test('lines are taken as they came, whatever run of them', () => {
  const fields = fieldsOf('A:1\r\nB:  2 \r\nC:\r\n')
  expect(fields.lines(1, 3)).toBe('A:1\r\nB:  2 \r\n')
  expect(fields.lines(0, 4)).toBe('Host: a\r\nA:1\r\nB:  2 \r\nC:\r\n')
  expect(fields.lines(3, 4)).toBe('C:\r\n')
  expect(fields.lines(2, 2)).toBe('')
})
