import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { canonical, canonicalJson, readableJson } from '../../shared/canonical-json.ts'

test('equal values give equal text whatever the order of their members', () => {
  expect(canonicalJson({ b: 1, a: { d: [1, { z: 1, y: 2 }], c: null } })).toBe(
    '{"a":{"c":null,"d":[1,{"y":2,"z":1}]},"b":1}',
  )
})

test('members that are undefined are left out', () => {
  expect(canonicalJson({ a: undefined, b: [{ c: undefined }] })).toBe('{"b":[{}]}')
})

test('a member named __proto__ stays a member', () => {
  const value: unknown = JSON.parse('{"__proto__":{"x":1},"a":1}')
  expect(canonicalJson(value)).toBe('{"__proto__":{"x":1},"a":1}')
  expect(Object.getPrototypeOf(canonical(value))).toBe(Object.prototype)
})

test('the readable form has two spaces and one final newline', () => {
  expect(readableJson({ b: [], a: 1 })).toBe('{\n  "a": 1,\n  "b": []\n}\n')
})

test('canonical text survives a round trip, and does not depend on the order of insertion', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = canonicalJson(value)
      expect(canonicalJson(JSON.parse(text))).toBe(text)
      expect(canonicalJson(reversed(value))).toBe(text)
    }),
  )
})

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([key, member]) => [key, reversed(member)]),
  )
}
