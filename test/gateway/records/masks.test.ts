import { expect, test } from 'vitest'
import { recordedQuery, recordedReferer } from '../../../gateway/records/masks.ts'
import { faultOfFormat } from '../../../gateway/records/template-record.ts'
import { MomentText } from '../../../gateway/records/timing.ts'
import { RECORD_TEXT_CHARS_MAX } from '../../../shared/limits.ts'

test.for([
  ['', ''],
  ['a=1', 'a=*'],
  ['a=1&b=2&a=', 'a=*&b=*&a=*'],
  ['token', '*'],
  ['a=b=c&&x', 'a=*&*&*'],
] as const)('of the query %j only %j is left', ([query, expected]) => {
  expect(recordedQuery(query, 'mask')).toBe(expected)
  expect(recordedQuery(query, 'all')).toBe(query)
  expect(recordedQuery(query, 'none')).toBe('')
})

test('a query is cut before it is masked', () => {
  expect(recordedQuery('a='.padEnd(10_000, 'x'), 'all').length).toBe(RECORD_TEXT_CHARS_MAX)
  expect(recordedQuery('a&'.repeat(10_000), 'mask').length).toBeLessThanOrEqual(
    RECORD_TEXT_CHARS_MAX + 1,
  )
})

test.for([
  ['https://a.test/x', 'https://a.test/x'],
  ['https://u:p@a.test/x#frag?y', 'https://a.test/x?*'],
  ['https://a.test/?k=v#f', 'https://a.test/?k=*'],
] as const)('of the referer %s only %s is left', ([referer, expected]) => {
  expect(recordedReferer(referer, 'mask')).toBe(expected)
})

test.for([
  ['json', null],
  ['common', null],
  ['{client} {header.X-Any}', null],
  ['{clientt}', 'has no field {clientt}, did you mean {client}?'],
  ['{header.}', 'has no field {header.}'],
  ['plain', 'must be json, common, combined, or a template with at least one {field}'],
  ['{client', 'must be one line, with braces around names of fields only'],
  ['{client}\n', 'must be one line, with braces around names of fields only'],
  ['{constructor}', 'has no field {constructor}'],
] as const)('the format %j: %s', ([format, fault]) => {
  expect(faultOfFormat(format)).toBe(fault)
})

test('moments are written as JSON and the Common Log Format have them', () => {
  const moments = new MomentText()
  const ms = Date.UTC(2026, 0, 31, 23, 59, 59, 7)
  expect(moments.iso(ms)).toBe('2026-01-31T23:59:59.007Z')
  expect(moments.clf(ms)).toBe('31/Jan/2026:23:59:59 +0000')
  for (const more of [0.9, 3, 92.5, 991, 993, 86_400_000]) {
    expect(moments.iso(ms + more)).toBe(new Date(Math.trunc(ms + more)).toISOString())
  }
})
