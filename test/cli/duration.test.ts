import { expect, test } from 'vitest'
import { readDuration } from '../../cli/start/duration.ts'

test.each([
  ['30s', 30_000],
  ['10m', 600_000],
  ['24h', 86_400_000],
  ['250ms', 250],
  ['2d', 172_800_000],
])('%s is %d ms', (text, ms) => {
  expect(readDuration('--ttl', text)).toBe(ms)
})

test.each(['', '10', 'm', '10 m', '0s', '1h30m', '-5m', '1.5h', '10x', '5mm', '1000000000h'])(
  '"%s" is no duration, and the option is named',
  (text) => {
    expect(() => readDuration('--ttl', text)).toThrow(/--ttl must be a duration such as/)
  },
)
