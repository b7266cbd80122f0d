// What a decision about rate limits costs, and whether a limit of N a second admits N at ten times the offer, by several
// threads that share it. BENCH_SECONDS says for how long (60), BENCH_LIMIT what N is (1,000).
import { Worker } from 'node:worker_threads'
import { makeCounterMemory, type CounterMemory } from '../../gateway/limits/counter-memory.ts'
import { Counters } from '../../gateway/limits/counters.ts'
import { KeyHash } from '../../gateway/limits/key-hash.ts'
import type { Rule } from '../../gateway/limits/rules.ts'
import { percentile, printFigure } from './figures.ts'

const THREADS = 2
const OFFER = 10
const ROUNDS = 15
const CALLS = 100_000
const CALLERS = 1_000
const SEED = [1, 2] as const

export async function run(): Promise<void> {
  for (const algorithm of ['sliding-window', 'token-bucket'] as const) {
    for (const limits of [1, 2, 4]) {
      printFigure({
        bench: 'limits decision',
        algorithm,
        limits,
        ns: decisionNs(algorithm, limits),
      })
    }
  }
  const seconds = Number(process.env['BENCH_SECONDS'] ?? 60)
  const limit = Number(process.env['BENCH_LIMIT'] ?? 1_000)
  for (const algorithm of ['sliding-window', 'fixed-window', 'token-bucket'] as const) {
    await held({ algorithm, limit, windowMs: 1_000, burst: limit / 10 }, seconds)
  }
}

/** Processor time of one decision over so many limits, keys hashed, of 1,000 callers in turn. */
function decisionNs(algorithm: Rule['algorithm'], limits: number): number {
  const counters = new Counters(makeCounterMemory(65_536, 1, SEED), 0)
  const hash = new KeyHash()
  const names = Array.from({ length: CALLERS }, (_, at) => `consumer-${at}`)
  const rules = Array.from({ length: limits }, (_, at): Rule => ({
    algorithm,
    limit: 1e9,
    windowMs: 1_000 * (at + 1),
    burst: 1e9,
  }))
  const costs = Array.from({ length: ROUNDS + 1 }, () => {
    const before = process.cpuUsage()
    for (let call = 0; call < CALLS; call++) {
      counters.clear()
      for (let at = 0; at < limits; at++) {
        hash.start(at, 7)
        hash.text(names[call % CALLERS] ?? '')
        counters.want(rules[at] ?? RULE, 1, hash, true)
      }
      counters.decide(1_000_000 + call / 100)
    }
    const { user, system } = process.cpuUsage(before)
    return ((user + system) * 1_000) / CALLS
  })
  return percentile(costs.slice(1), 0.5)
}

const RULE: Rule = { algorithm: 'sliding-window', limit: 1, windowMs: 1_000, burst: 1 }

/** Threads offer ten times the limit, evenly, for so many seconds. */
async function held(rule: Rule, seconds: number): Promise<void> {
  const memory = makeCounterMemory(1_024, THREADS, SEED)
  // From the beginning of a window on, a moment later, so that all threads are there.
  const fromMs = (Math.floor(Date.now() / rule.windowMs) + 2) * rule.windowMs
  const threads = Array.from({ length: THREADS }, (_, worker) =>
    offered(memory, { worker, rule, fromMs, seconds, perSecond: (rule.limit * OFFER) / THREADS }),
  )
  const counts = await Promise.all(threads)
  const offeredCount = counts.reduce((sum, each) => sum + each.offered, 0)
  const admitted = counts.reduce((sum, each) => sum + each.admitted, 0)
  const wanted = rule.limit * seconds
  const { algorithm, limit } = rule
  const offerRatio = offeredCount / wanted
  const figure = { algorithm, limit, seconds, offerRatio, admitted, ratio: admitted / wanted }
  printFigure({ bench: 'limits held', threads: THREADS, ...figure })
}

async function offered(
  memory: CounterMemory,
  offer: object,
): Promise<{ readonly offered: number; readonly admitted: number }> {
  const file = new URL('./limits/offer-child.ts', import.meta.url)
  const thread = new Worker(file, { workerData: { memory, ...offer } })
  const { promise, resolve, reject } = Promise.withResolvers<{
    offered: number
    admitted: number
  }>()
  thread.on('message', resolve)
  thread.on('error', reject)
  const counts = await promise
  await thread.terminate()
  return counts
}
