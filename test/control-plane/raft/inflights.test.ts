import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { Inflights } from '../../../control-plane/raft/inflights.ts'

test('the window is full at its count', () => {
  const window = new Inflights(2, 0)
  window.add(1, 10)
  expect(window.full).toBe(false)
  window.add(2, 10)
  expect(window.full).toBe(true)
  expect(() => window.add(3, 10)).toThrow('room')
})

test('the window is full once its bytes are reached; one message may overshoot', () => {
  const window = new Inflights(10, 100)
  window.add(1, 99)
  expect(window.full).toBe(false)
  window.add(2, 500)
  expect([window.full, window.bytes]).toEqual([true, 599])
  window.freeTo(1)
  expect([window.full, window.bytes]).toEqual([true, 500])
  window.freeTo(2)
  expect([window.full, window.bytes, window.count]).toEqual([false, 0, 0])
})

test('an acknowledgement frees every message it covers, and an old one frees nothing', () => {
  const window = new Inflights(10, 0)
  for (let index = 5; index <= 9; index++) window.add(index, 1)
  window.freeTo(4)
  expect(window.count).toBe(5)
  window.freeTo(7)
  expect(window.count).toBe(2)
  window.reset()
  expect([window.count, window.bytes, window.full]).toEqual([0, 0, false])
})

test('the ring behaves like a plain list, however it grows and wraps', () => {
  const step = fc.oneof(
    fc.record({ add: fc.integer({ min: 0, max: 9 }) }),
    fc.record({ free: fc.integer({ min: 0, max: 60 }) }),
  )
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 20 }),
      fc.array(step, { maxLength: 60 }),
      (max, steps) => {
        const window = new Inflights(max, 0)
        let list: { index: number; bytes: number }[] = []
        let next = 1
        for (const one of steps) {
          if ('free' in one) {
            window.freeTo(one.free)
            list = list.filter(({ index }) => index > one.free)
          } else if (!window.full) {
            window.add(next, one.add)
            list.push({ index: next++, bytes: one.add })
          }
          const bytes = list.reduce((sum, entry) => sum + entry.bytes, 0)
          expect([window.count, window.bytes, window.full]).toEqual([
            list.length,
            bytes,
            list.length === max,
          ])
        }
      },
    ),
  )
})
