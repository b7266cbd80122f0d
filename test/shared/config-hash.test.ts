import { createHash } from 'node:crypto'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { ConfigHash } from '../../shared/config-hash.ts'

const ZERO = '0'.repeat(64)

/** The same sum with integers of any size. */
function bigSum(texts: readonly string[]): string {
  const sum = texts
    .map((text) => createHash('sha256').update(text).digest().reverse().toString('hex'))
    .reduce((total, hex) => (total + BigInt(`0x${hex}`)) % 2n ** 256n, 0n)
  return sum.toString(16).padStart(64, '0')
}

function hashOf(texts: readonly string[]): string {
  const sum = new ConfigHash()
  for (const text of texts) sum.add(text)
  return sum.toHex()
}

test('the hash of nothing is zero', () => {
  expect(new ConfigHash().toHex()).toBe(ZERO)
})

test('the hash is the sum of digests modulo 2^256', () => {
  fc.assert(
    fc.property(fc.array(fc.string(), { maxLength: 20 }), (texts) => {
      expect(hashOf(texts)).toBe(bigSum(texts))
    }),
  )
})

test('order does not matter, and what is taken out is as if it had never been there', () => {
  fc.assert(
    fc.property(fc.array(fc.string()), fc.array(fc.string()), (kept, gone) => {
      const sum = new ConfigHash()
      for (const text of [...gone, ...kept].toReversed()) sum.add(text)
      for (const text of gone) sum.remove(text)
      expect(sum.toHex()).toBe(hashOf(kept))
    }),
  )
})

test('a sum continues from its text', () => {
  const sum = ConfigHash.fromHex(hashOf(['a', 'b']))
  sum.add('c')
  expect(sum.toHex()).toBe(hashOf(['c', 'b', 'a']))
  sum.remove('d')
  sum.add('d')
  expect(sum.toHex()).toBe(hashOf(['c', 'b', 'a']))
})

test.each(['', 'x', ZERO.slice(1), `${ZERO}0`, ZERO.replace('0', 'G'), 'A'.repeat(64)])(
  'a text that is not a hash is refused: %s',
  (text) => {
    expect(() => ConfigHash.fromHex(text)).toThrow(RangeError)
  },
)
