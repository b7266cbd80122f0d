// Goal: what ours takes means the same to node:http's parser; where ours is stricter, the reason is stated. Method: generated
// and damaged streams, a fresh seed each time; npm run fuzz does the same for as long as wanted.
import { expect, test } from 'vitest'
import { Random } from '../../../../shared/random.ts'
import { newTally, step } from './compare.ts'

const STREAMS = 60_000

test('both parsers take a message with the same meaning, or ours is stricter for a stated reason', () => {
  const seed = Date.now() % 2 ** 32
  const random = new Random(seed)
  const tally = newTally()
  while (tally.streams < STREAMS && tally.differences.length === 0) {
    step(random.below(3) === 0 ? 'responses' : 'requests', random, tally)
  }
  expect({ seed, differences: tally.differences }).toEqual({ seed, differences: [] })
  // The streams are not all of one kind: most of the reasons were met.
  expect(tally.stricter.size).toBeGreaterThan(15)
}, 90_000)
