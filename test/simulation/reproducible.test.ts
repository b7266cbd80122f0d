import { expect, test } from 'vitest'
import { PROFILES } from './profiles.ts'
import { simulate } from './simulation.ts'

test.each(PROFILES.map(({ name }, seed) => [name, seed] as const))(
  'the same seed is the same run, step by step: %s',
  async (_, seed) => {
    const lines: string[][] = [[], []]
    const outcomes = []
    for (const trace of lines) {
      const onLine = (line: string) => void trace.push(line)
      outcomes.push(await simulate(seed, { onLine, onOperation() {} }))
    }
    const [first, second] = outcomes
    const differing = lines[0]?.findIndex((line, at) => line !== lines[1]?.[at])
    expect(differing === undefined || differing === -1 ? null : lines[0]?.[differing]).toBeNull()
    expect(second).toEqual(first)
  },
)

test('another seed is another run', async () => {
  const [one, other] = [await simulate(1), await simulate(1 + PROFILES.length)]
  expect(other.profile).toBe(one.profile)
  expect(other.digest).not.toBe(one.digest)
})
