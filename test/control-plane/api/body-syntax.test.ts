// A failure shows what was answered.
/* oxlint-disable vitest/valid-expect */
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseBody } from '../../../control-plane/api/body-syntax.ts'
import { findJsonFault } from '../../../shared/json-fault.ts'
import { isRaftwayError } from '../../../shared/errors.ts'

function codeOf(action: () => unknown): string {
  try {
    action()
    return 'ok'
  } catch (error) {
    return isRaftwayError(error) ? error.code : String(error)
  }
}

test('the scanner and JSON.parse agree on what is JSON, whatever is done to a text', () => {
  const damaged = fc
    .tuple(
      fc.json(),
      fc.nat(200),
      fc.nat(200),
      fc.constantFrom('', '"', '{', ']', ',', ':', '\\', '0', '\u0001', 'e', ' '),
    )
    .map(([text, from, to, put]) => {
      const start = Math.min(from, text.length)
      return text.slice(0, start) + put + text.slice(start + (to % 3))
    })
  fc.assert(
    fc.property(damaged, (text) => {
      let isJson = true
      try {
        JSON.parse(text)
      } catch {
        isJson = false
      }
      const fault = findJsonFault(text)
      // What JSON.parse takes may still name a member twice, and what it refuses as well.
      const isTwice = fault?.message.endsWith(' comes twice') ?? false
      expect(fault === null ? isJson : isTwice || !isJson).toBe(true)
    }),
    { numRuns: 5_000 },
  )
})

test.each([
  ['', 0, 'a value expected, but the text ends'],
  ['{', 1, 'a member name in double quotes expected, but the text ends'],
  ['{"a":1,}', 7, 'a member name in double quotes expected, but found "}"'],
  ['{"a" 1}', 5, '":" expected, but found "1"'],
  ['[1 2]', 3, '"," or "]" expected, but found "2"'],
  ['[01]', 2, '"," or "]" expected, but found "1"'],
  ['nul', 3, 'null expected, but the text ends'],
  ['"a', 2, 'a closing double quote expected, but the text ends'],
  ['"\\x"', 1, 'not an escape of JSON'],
  ['"a\tb"', 2, 'control character inside a string'],
  ['-', 0, 'not a number of JSON'],
  ['{"a":{"b":1,"\\u0062":2}}', 12, 'member "b" comes twice'],
])('the fault of %j is told where it is', (text, at, message) => {
  expect(findJsonFault(text)).toEqual({ at, message })
})

test('a member that comes twice is found anywhere, and none where names only look alike', () => {
  const twice = '{"a":[{"b":1},{"b":2,"c":":","b":3}]}'
  expect(codeOf(() => parseBody(Buffer.from(twice), 'json'))).toBe('MALFORMED_BODY')
  const once = '{"a":[{"b":1},{"b":"\\"b\\":"}],"__proto__":{"a":1},"b":":"}'
  expect(JSON.stringify(parseBody(Buffer.from(once), 'json'))).toBe(once)
})

test('nesting has a bound, in JSON and in YAML', () => {
  const nested = (depth: number): Buffer => Buffer.from('['.repeat(depth) + ']'.repeat(depth))
  expect(codeOf(() => parseBody(nested(100), 'json'))).toBe('ok')
  expect(codeOf(() => parseBody(nested(101), 'json'))).toBe('MALFORMED_BODY')
  expect(codeOf(() => parseBody(nested(100), 'yaml'))).toBe('ok')
  expect(codeOf(() => parseBody(nested(101), 'yaml'))).toBe('MALFORMED_BODY')
  expect(codeOf(() => parseBody(nested(20_000), 'yaml'))).toBe('MALFORMED_BODY')
})

test('a YAML body that grows by its aliases, or is too large, is refused', () => {
  const bomb = ['a: &a [x, x, x, x, x, x, x, x, x]']
  for (const [name, of] of ['ba', 'cb', 'dc', 'ed', 'fe', 'gf']) {
    bomb.push(`${name}: &${name} [${`*${of}, `.repeat(9)}]`)
  }
  expect(codeOf(() => parseBody(Buffer.from(bomb.join('\n')), 'yaml'))).toBe('MALFORMED_BODY')
  const large = Buffer.from(`a: "${'x'.repeat(128 * 1024)}"`)
  expect(codeOf(() => parseBody(large, 'yaml'))).toBe('BODY_TOO_LARGE')
  for (const text of ['a: 1\n---\nb: 2\n', 'a: *missing', 'a: 1\na: 2\n', 'a: [1\n', '\tx: 1']) {
    expect(
      codeOf(() => parseBody(Buffer.from(text), 'yaml')),
      text,
    ).toBe('MALFORMED_BODY')
  }
})

test('an empty body is no value, and a byte order mark is none of its text', () => {
  expect(parseBody(Buffer.alloc(0), 'json')).toBeUndefined()
  expect(parseBody(Buffer.from(' \n'), 'yaml')).toBeUndefined()
  expect(parseBody(Buffer.from('\uFEFF{"a":1}'), 'json')).toEqual({ a: 1 })
})
