// A thread that offers requests evenly to one limit, and counts those that are admitted.
import { parentPort, workerData } from 'node:worker_threads'
import type { CounterMemory } from '../../../gateway/limits/counter-memory.ts'
import { Counters } from '../../../gateway/limits/counters.ts'
import { KeyHash } from '../../../gateway/limits/key-hash.ts'
import type { Rule } from '../../../gateway/limits/rules.ts'

const { memory, worker, rule, fromMs, seconds, perSecond } = workerData as {
  memory: CounterMemory
  worker: number
  rule: Rule
  fromMs: number
  seconds: number
  perSecond: number
}
const counters = new Counters(memory, worker)
const hash = new KeyHash()
let offered = 0
let admitted = 0

const endMs = fromMs + seconds * 1_000

function offerUntil(nowMs: number): void {
  const due = Math.floor(((Math.min(nowMs, endMs) - fromMs) * perSecond) / 1_000)
  for (; offered < due; offered++) {
    hash.start(1, 2)
    hash.text('caller')
    counters.clear()
    counters.want(rule, 1, hash, false)
    // What is still to be offered when the time is over belongs to its last moment.
    if (counters.decide(Math.min(nowMs, endMs - 1)) < 0) admitted += 1
  }
}

const timer = setInterval(() => {
  const nowMs = Date.now()
  offerUntil(nowMs)
  if (nowMs < endMs) return
  clearInterval(timer)
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
  parentPort?.postMessage({ offered, admitted })
}, 1)
