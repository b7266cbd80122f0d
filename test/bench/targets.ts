// Goal: choosing a target must cost about the same whatever their number. Method: sets of 2 to 1,000 targets of unequal
// weights, each balance with the calls that it chose begun and ended; every size in turn within a round, medians of rounds.
import { performance } from 'node:perf_hooks'
import { hashText } from '../../gateway/upstream/balance.ts'
import { Selector, type HealthCandidate } from '../../gateway/upstream/selector.ts'
import {
  callBegan,
  callEnded,
  LONG_AGO,
  newTargetState,
} from '../../gateway/upstream/target-state.ts'
import type { Balance } from '../../shared/definitions/upstream.ts'
import { Random } from '../../shared/random.ts'
import { compileHealth } from '../../shared/routing/compile-health.ts'
import { percentile, printFigure } from './figures.ts'

const SIZES = [2, 16, 100, 1_000]
const BALANCES: readonly Balance[] = [
  'round-robin',
  'least-connections',
  'hash',
  'random-two-choices',
]
const ROUNDS = 9
const CHOICES = 200_000
/** Calls that are under way at any time. */
const UNDER_WAY = 64
const CLIENTS = Array.from({ length: 1_024 }, (_, i) => `10.0.${i >> 8}.${i & 255}`)

/** Prints how long a choice takes, and how it grows with the number of targets, one JSON line a balance. */
export async function run(): Promise<void> {
  for (const balance of BALANCES) {
    const selectors = SIZES.map((size) => selectorOf(balance, size))
    const times = SIZES.map(() => [] as number[])
    for (let round = 0; round < ROUNDS; round++) {
      selectors.forEach((selector, at) => times[at]?.push(timeChoices(selector)))
    }
    const [least = Number.NaN, ...rest] = times.map((taken) => percentile(taken, 0.5))
    const figures = rest.map((ns, at) => [`ns a choice of ${SIZES[at + 1] ?? 0}`, ns] as const)
    printFigure({
      bench: 'targets',
      balance,
      [`ns a choice of ${SIZES[0] ?? 0}`]: least,
      ...Object.fromEntries(figures),
      'ratio of 1,000 to 16': (rest.at(-1) ?? Number.NaN) / (rest[0] ?? Number.NaN),
    })
  }
}

function selectorOf(balance: Balance, size: number): Selector<HealthCandidate> {
  const targets = Array.from({ length: size }, (_, i): HealthCandidate => {
    const weight = (i % 3) + 1
    const seed = hashText(`http://10.1.${i >> 8}.${i & 255}:9000`)
    return { weight, fullWeight: weight, seed, state: newTargetState(LONG_AGO) }
  })
  return new Selector({ balance, health: compileHealth(undefined, null) }, targets, new Random(1))
}

function timeChoices(selector: Selector<HealthCandidate>): number {
  const underWay: HealthCandidate[] = []
  const nothing: readonly HealthCandidate[] = []
  const began = performance.now()
  for (let i = 0; i < CHOICES; i++) {
    const target = selector.choose(CLIENTS[i & 1_023] ?? '', nothing, 1)
    if (target === null) throw new Error('there is always a target')
    callBegan(target.state)
    const ended = underWay[i % UNDER_WAY]
    if (ended !== undefined) callEnded(ended.state)
    underWay[i % UNDER_WAY] = target
  }
  const took = performance.now() - began
  for (const target of underWay) callEnded(target.state)
  return (took * 1e6) / CHOICES
}
