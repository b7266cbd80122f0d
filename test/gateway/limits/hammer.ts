// A thread that asks for one limit, and for another that is never reached, as fast as it can.
import { parentPort, workerData } from 'node:worker_threads'
import type { CounterMemory } from '../../../gateway/limits/counter-memory.ts'
import { Counters } from '../../../gateway/limits/counters.ts'
import { KeyHash } from '../../../gateway/limits/key-hash.ts'
import type { Rule } from '../../../gateway/limits/rules.ts'

const THREADS = 4

const { memory, worker, gate, requests, nowMs } = workerData as {
  memory: CounterMemory
  worker: number
  gate: Int32Array
  requests: number
  nowMs: number
}
const counters = new Counters(memory, worker)
const hash = new KeyHash()
const tight: Rule = { algorithm: 'sliding-window', limit: 5_000, windowMs: 60_000, burst: 5_000 }
const wide: Rule = { ...tight, limit: 1_000_000 }
const limits = [
  ['tight', tight],
  ['wide', wide],
] as const
// All at once: the last one to come opens the gate.
const before = Atomics.add(gate, 0, 1)
if (before === THREADS - 1) Atomics.notify(gate, 0)
for (let come = before + 1; come < THREADS; come = Atomics.load(gate, 0)) {
  Atomics.wait(gate, 0, come, 1_000)
}
let admitted = 0
for (let i = 0; i < requests; i++) {
  counters.clear()
  for (const [name, rule] of limits) {
    hash.start(1, 2)
    hash.text(name)
    counters.want(rule, 1, hash, true)
  }
  if (counters.decide(nowMs) < 0) admitted += 1
}
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
parentPort?.postMessage(admitted)
