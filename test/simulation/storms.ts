import { expect, test } from 'vitest'
import { simulate } from './simulation.ts'

/** Seeds of one file of storms; with the other file's they are more than 200, twenty and more of each profile. */
export const SEEDS_PER_FILE = 105

/** One test a seed. A failure says how to see it again. */
export function storms(first: number): void {
  test.each(Array.from({ length: SEEDS_PER_FILE }, (_, at) => first + at))(
    'seed %i',
    { timeout: 60_000 },
    async (seed) => {
      const { failure, profile } = await simulate(seed)
      expect(failure, `${profile}, replay: npm run simulate -- ${seed}`).toBeNull()
    },
  )
}
