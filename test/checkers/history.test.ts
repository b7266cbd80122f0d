import { describe, expect, test } from 'vitest'
import { callsOf, formatOperation, HistoryRecorder, parseHistory, valueText } from './history.ts'

function record(): HistoryRecorder {
  let time = 0
  return new HistoryRecorder(() => time++)
}

test('what a recorder wrote line by line is read back as it was', () => {
  const lines: string[] = []
  const recorder = new HistoryRecorder(
    () => 12.5,
    (line) => lines.push(line),
  )
  const put = recorder.invoke({ process: 1, op: 'put', key: 'a', value: { weight: 1 } })
  const get = recorder.invoke({ process: 'reader', op: 'get', key: 'a' })
  put.ok({ revision: 4 })
  get.ok({ value: { weight: 1 }, revision: 4 })
  recorder
    .invoke({ process: 1, op: 'cas', key: 'a', value: 2, ifRevision: 3 })
    .fail(4, 'REVISION_CONFLICT')
  recorder.invoke({ process: 1, op: 'delete', key: 'a' }).info('TIMEOUT')
  expect(parseHistory(lines.join('\n'))).toEqual(recorder.history)
  expect(parseHistory(`${lines.join('\n')}\n`)).toEqual(recorder.history)
  expect(lines[0]).toBe(
    '{"process":1,"op":"put","key":"a","type":"invoke","value":{"weight":1},"revision":null,"time":12.5}',
  )
})

test('calls are put together from their events', () => {
  const recorder = record()
  const put = recorder.invoke({ process: 1, op: 'put', key: 'a', value: 'x' })
  const get = recorder.invoke({ process: 2, op: 'get', key: 'a' })
  put.info()
  get.ok({ value: 'x', revision: 4 })
  recorder.invoke({ process: 1, op: 'delete', key: 'a', ifRevision: 4 })
  expect(callsOf(recorder.history)).toMatchObject([
    { op: 'put', wanted: 'x', outcome: 'info', invokedAt: 0, endedAt: Infinity },
    { op: 'get', read: 'x', revision: 4, outcome: 'ok', invokedAt: 1, endedAt: 3 },
    { op: 'delete', ifRevision: 4, outcome: 'info', revision: null, endedAt: Infinity },
  ])
})

describe('refused with the number of the line', () => {
  const good = formatOperation({
    process: 1,
    type: 'invoke',
    op: 'get',
    key: 'a',
    value: null,
    revision: null,
    time: 1,
  })
  test.each([
    ['{', /line 2 .* not JSON/],
    [good.replace('get', 'append'), /line 2 .*op/],
    [good.replace('"process":1,', ''), /line 2 .*process/],
    [good.replace('"time":1', '"time":"1"'), /line 2 .*time/],
    [good.replace('"time":1', '"time":1,"tiem":2'), /line 2/],
  ])('%s', (line, message) => {
    expect(() => parseHistory(`${good}\n${line}\n`)).toThrow(message)
  })
})

describe('no recorder can have seen', () => {
  const get = { op: 'get', key: 'a', value: null, revision: null, time: 1 } as const
  const put = { ...get, op: 'put', value: 'x' } as const
  test.each([
    ['an end without a beginning', [{ ...get, process: 1, type: 'ok' }]],
    [
      'two calls of a process at once',
      [
        { ...get, process: 1, type: 'invoke' },
        { ...get, process: 1, type: 'invoke' },
      ],
    ],
    [
      'the end of another call',
      [
        { ...get, process: 1, type: 'invoke' },
        { ...put, process: 1, type: 'ok', revision: 1 },
      ],
    ],
    [
      'time that falls',
      [
        { ...get, process: 1, type: 'invoke' },
        { ...get, process: 1, type: 'ok', time: 0 },
      ],
    ],
    [
      'an acknowledged write without a revision',
      [
        { ...put, process: 1, type: 'invoke' },
        { ...put, process: 1, type: 'ok' },
      ],
    ],
    [
      'a value without a revision',
      [
        { ...get, process: 1, type: 'invoke' },
        { ...get, process: 1, type: 'ok', value: 'x' },
      ],
    ],
    ['a cas without a guard', [{ ...put, op: 'cas', process: 1, type: 'invoke' }]],
    ['a put with a guard', [{ ...put, ifRevision: 1, process: 1, type: 'invoke' }]],
    [
      'a guard of a put that failed',
      [
        { ...put, process: 1, type: 'invoke' },
        { ...put, process: 1, type: 'fail', revision: 3 },
      ],
    ],
  ] as const)('%s', (_, history) => {
    expect(() => callsOf(history)).toThrow(RangeError)
  })
})

test('values are equal whatever the order of their members, and only then', () => {
  expect(valueText({ a: 1, b: { c: [1, 2], d: 2 } })).toBe(
    valueText({ b: { d: 2, c: [1, 2] }, a: 1 }),
  )
  expect(valueText({ a: [1, 2] })).not.toBe(valueText({ a: [2, 1] }))
})
