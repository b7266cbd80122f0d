import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { LineSplitter } from '../../../gateway/config/line-splitter.ts'

test('lines come out whole, however the bytes were cut', () => {
  const lines = fc.array(
    fc.string({ unit: 'binary', maxLength: 20 }).map((s) => s.replaceAll('\n', '')),
  )
  fc.assert(
    fc.property(lines, fc.array(fc.integer({ min: 1, max: 9 })), (given, cuts) => {
      const bytes = Buffer.from(given.map((line) => `${line}\n`).join(''))
      const splitter = new LineSplitter(1_000)
      const seen: string[] = []
      let at = 0
      for (let i = 0; at < bytes.length; i++) {
        const length = cuts[i] ?? bytes.length
        const isWhole = splitter.push(bytes.subarray(at, at + length), (line) => {
          seen.push(line)
          return true
        })
        expect(isWhole).toBe(true)
        at += length
      }
      expect(seen).toEqual(given.map((line) => Buffer.from(line).toString()))
    }),
  )
})

test('a line over the limit is refused, before and after its end came', () => {
  const push = (splitter: LineSplitter, text: string): boolean =>
    splitter.push(Buffer.from(text), () => true)
  expect(push(new LineSplitter(4), 'abcd\nabcd\n')).toBe(true)
  expect(push(new LineSplitter(4), 'abcde\n')).toBe(false)
  expect(push(new LineSplitter(4), 'abcde')).toBe(false)
  const splitter = new LineSplitter(4)
  expect(push(splitter, 'abc')).toBe(true)
  expect(push(splitter, 'de\n')).toBe(false)
})

test('nothing is read on when the reader has had enough', () => {
  const seen: string[] = []
  const isWhole = new LineSplitter(9).push(Buffer.from('a\nb\nc\n'), (line) => {
    seen.push(line)
    return line !== 'b'
  })
  expect(isWhole).toBe(false)
  expect(seen).toEqual(['a', 'b'])
})
