// The whole core under random weather: three to five replicas, messages lost, repeated and reordered, crashes that keep
// only what was durable, compaction and snapshots, in both storage modes. After every step the safety properties of
// Raft thesis Figure 3.2 must hold. A failure prints the seed that reproduces it.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { Weather } from './weather.ts'

const seeds = fc.integer({ min: 1, max: 2 ** 31 })

for (const isAsync of [false, true]) {
  for (const isChanging of [false, true]) {
    const mode = isAsync ? 'asynchronous' : 'synchronous'
    const members = isChanging ? 'a changing membership' : 'a fixed membership'
    test(`replicas with ${mode} writes and ${members} stay safe in any weather and agree after it`, () => {
      fc.assert(
        fc.property(seeds, (seed) => {
          const weather = new Weather(seed, { isAsync, isChanging })
          expect(() => {
            weather.storm()
            // A membership may change into one without a live majority; a fixed one always recovers.
            if (!isChanging) weather.calm()
          }).not.toThrow()
        }),
        { numRuns: 120, endOnFailure: true },
      )
    })
  }
}
