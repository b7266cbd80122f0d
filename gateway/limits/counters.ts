import {
  GIVE_BACK_TRIES_MAX,
  HOLDS_PER_WORKER_MAX,
  LIMITS_PER_REQUEST_MAX,
} from '../../shared/limits.ts'
import {
  COUNTERS_PER_PAGE,
  holdsOf,
  KEY_A_AT,
  KEY_B_AT,
  NUMBERS_AT,
  NUMBERS_PER_PAGE,
  WORDS_PER_PAGE,
  type CounterMemory,
} from './counter-memory.ts'
import type { KeyHash } from './key-hash.ts'
import { PageLocks } from './page-locks.ts'
import {
  count,
  NUMBERS_PER_COUNTER,
  remaining,
  resetMs,
  uncount,
  waitMs,
  type Asked,
  type Rule,
} from './rules.ts'

/** What a request wants of one counter, and what came of it. One object a place, used again and again. */
export type Want = {
  rule: Rule
  cost: number
  /** Without room for its counter, the request passes. */
  isOpen: boolean
  a: number
  b: number
  page: number
  /** Place of the counter in its page; -1: no room. */
  place: number
  /** What may still count. */
  remaining: number
  /** Until it starts anew. */
  resetMs: number
  /** What stands for it until it is given back; -1: nothing. */
  hold: number
}

const NO_RULE: Rule = { algorithm: 'fixed-window', limit: 0, windowMs: 1, burst: 0 }

/**
 * Counters that all workers of a gateway share, to the exact number: all that a request wants are looked at, and only if none
 * refuses are all of them counted, under the locks of their pages. Which page is in the key; a page that is full of
 * counters whose time has not come takes no further one.
 */
export class Counters {
  readonly #words: Int32Array
  readonly #numbers: Float64Array
  readonly #locks: PageLocks
  readonly #pages: number
  /** Whose counters these are; 0 ≤ worker. */
  readonly worker: number
  readonly seed: readonly [number, number]
  readonly #holds: Int32Array
  /** Places among the holds that are free. */
  readonly #freeHolds: number[] = []
  readonly #wants: readonly Want[]
  /** Pages of the wants, ascending, each once. */
  readonly #locked: number[] = []
  #count = 0
  #waitMs = 0
  #uncounted = 0

  constructor(memory: CounterMemory, worker: number) {
    this.#words = new Int32Array(memory.buffer)
    this.#numbers = new Float64Array(memory.buffer)
    this.#pages = memory.pages
    this.worker = worker
    this.seed = memory.seed
    this.#locks = new PageLocks(this.#words, worker + 1)
    this.#holds = holdsOf(memory, worker)
    for (let at = HOLDS_PER_WORKER_MAX - 1; at >= 0; at--) this.#freeHolds.push(at)
    this.#wants = Array.from({ length: LIMITS_PER_REQUEST_MAX }, noWant)
  }

  /** Of the last decision that refused: milliseconds until another try is worth it; Infinity: it never is. */
  get waitMs(): number {
    return this.#waitMs
  }

  /** Wants of the last decision that had no room. */
  get uncounted(): number {
    return this.#uncounted
  }

  get wanted(): number {
    return this.#count
  }

  /** The wants of a request begin. */
  clear(): void {
    this.#count = 0
  }

  want(rule: Rule, cost: number, key: Pick<KeyHash, 'a' | 'b'>, isOpen: boolean): void {
    const want = this.at(this.#count)
    this.#count += 1
    want.rule = rule
    want.cost = cost
    want.isOpen = isOpen
    // 0 is for places that were never taken.
    want.a = key.a === 0 ? 1 : key.a
    want.b = key.b
    want.page = (want.b >>> 6) & (this.#pages - 1)
    want.hold = -1
  }

  /** One of the wants, in the order in which they came. Until the next `clear`. */
  at(at: number): Want {
    const want = this.#wants[at]
    if (want === undefined) throw new RangeError('more limits than a request may have')
    return want
  }

  /** Counts all wants and returns -1, or counts none and returns which one refuses. */
  decide(nowMs: number): number {
    this.#uncounted = 0
    this.#waitMs = 0
    if (!this.#lockAll()) return this.#withoutLocks()
    const refusing = this.#look(nowMs)
    for (let i = 0; i < this.#count; i++) this.#settle(this.at(i), refusing < 0, nowMs)
    this.#unlockAll()
    return refusing
  }

  /** What would be decided, without counting. */
  peek(nowMs: number): number {
    this.#uncounted = 0
    this.#waitMs = 0
    if (!this.#lockAll()) return this.#withoutLocks()
    const refusing = this.#look(nowMs)
    this.#unlockAll()
    return refusing
  }

  /** Counts what was counted elsewhere, whatever the limit says. Without room, or the lock, it is left out. */
  countElsewhere(rule: Rule, cost: number, key: Pick<KeyHash, 'a' | 'b'>, nowMs: number): void {
    this.clear()
    this.want(rule, cost, key, true)
    if (!this.#lockAll()) return
    const want = this.at(0)
    want.place = this.#find(want, nowMs)
    if (want.place >= 0) {
      const at = numberAt(want.page, want.place)
      // Carries it over into this window.
      waitMs(want, this.#numbers, at, nowMs)
      count(want, this.#numbers, at)
    }
    this.#unlockAll()
  }

  /** Takes back what the last decision has counted: somebody else refuses. */
  takeBack(): void {
    if (!this.#lockAll()) return
    for (let i = 0; i < this.#count; i++) {
      const want = this.at(i)
      if (want.place < 0) continue
      if (want.hold >= 0) this.#dropHold(want.hold)
      uncount(want, this.#numbers, numberAt(want.page, want.place))
    }
    this.#unlockAll()
  }

  /** Gives back what is counted while it is under way. Once for each hold. */
  giveBack(hold: number): void {
    const held = this.#holds[hold] ?? 0
    if (held === 0) return
    // What cannot be given back is, when this worker has ended.
    if (giveBack(this.#locks, this.#numbers, held - 1)) this.#dropHold(hold)
  }

  #dropHold(hold: number): void {
    this.#holds[hold] = 0
    this.#freeHolds.push(hold)
  }

  /** Under all locks: finds the counters, and the first want that refuses; -1: none. */
  #look(nowMs: number): number {
    let refusing = -1
    let holds = this.#freeHolds.length
    for (let i = 0; i < this.#count; i++) {
      const want = this.at(i)
      if (want.rule.algorithm === 'concurrency') holds -= 1
      want.place = holds < 0 ? -1 : this.#find(want, nowMs)
      const wait =
        want.place < 0
          ? this.#noRoom(want)
          : waitMs(want, this.#numbers, numberAt(want.page, want.place), nowMs)
      if (wait === 0) continue
      if (refusing < 0) refusing = i
      // Another try is worth it when none refuses any more.
      this.#waitMs = Math.max(this.#waitMs, wait)
    }
    return refusing
  }

  #settle(want: Want, isCounted: boolean, nowMs: number): void {
    const { rule, page, place } = want
    if (place < 0) return
    const at = numberAt(page, place)
    if (isCounted) {
      count(want, this.#numbers, at)
      if (rule.algorithm === 'concurrency') want.hold = this.#hold(page, place)
    }
    want.remaining = remaining(rule, this.#numbers, at, nowMs)
    want.resetMs = resetMs(rule, this.#numbers, at, nowMs)
  }

  #hold(page: number, place: number): number {
    const hold = this.#freeHolds.pop() ?? -1
    this.#holds[hold] = page * COUNTERS_PER_PAGE + place + 1
    return hold
  }

  /** The place of a counter in its page, which is taken for it if it had none; -1: no room. */
  #find({ page, a, b }: Want, nowMs: number): number {
    const words = page * WORDS_PER_PAGE
    const keysA = words + KEY_A_AT
    const keysB = words + KEY_B_AT
    let free = -1
    for (let i = 0; i < COUNTERS_PER_PAGE; i++) {
      const place = (b + i) & (COUNTERS_PER_PAGE - 1)
      const known = this.#words[keysA + place] ?? 0
      const isSame = known === a && this.#words[keysB + place] === b
      if (!isSame && known !== 0) {
        if (free < 0 && this.#expires(page, place) <= nowMs) free = place
        continue
      }
      // Behind a place that was never taken there is nothing.
      if (isSame && this.#expires(page, place) > nowMs) return place
      if (!isSame && free >= 0) break
      free = place
      break
    }
    if (free < 0) return -1
    this.#words[keysA + free] = a
    this.#words[keysB + free] = b
    const at = numberAt(page, free)
    this.#numbers.fill(0, at, at + NUMBERS_PER_COUNTER)
    // Until it is counted, it is kept for this decision.
    this.#numbers[at] = nowMs + 1
    return free
  }

  #expires(page: number, place: number): number {
    return this.#numbers[numberAt(page, place)] ?? 0
  }

  #lockAll(): boolean {
    const pages = this.#locked
    pages.length = 0
    for (let i = 0; i < this.#count; i++) {
      const { page } = this.at(i)
      let at = pages.length
      while (at > 0 && (pages[at - 1] ?? 0) > page) at -= 1
      if (pages[at - 1] !== page) pages.splice(at, 0, page)
    }
    for (let i = 0; i < pages.length; i++) {
      if (this.#locks.take(pages[i] ?? 0)) continue
      pages.length = i
      this.#unlockAll()
      return false
    }
    return true
  }

  #unlockAll(): void {
    for (const page of this.#locked) this.#locks.release(page)
  }

  /** Nothing can be counted: the first that is not open refuses. */
  #withoutLocks(): number {
    let refusing = -1
    for (let i = 0; i < this.#count; i++) {
      if (this.#noRoom(this.at(i)) > 0 && refusing < 0) refusing = i
    }
    this.#waitMs = refusing < 0 ? 0 : 1
    return refusing
  }

  /** A want that cannot be counted; how long it has to wait, if it has to. */
  #noRoom(want: Want): number {
    want.place = -1
    want.remaining = want.rule.limit
    want.resetMs = 0
    this.#uncounted += 1
    return want.isOpen ? 0 : 1
  }
}

/** What a worker that died has held and locked. By the supervisor, before another one takes its place. */
export function releaseWorker(memory: CounterMemory, worker: number, workers: number): void {
  const words = new Int32Array(memory.buffer)
  const locks = new PageLocks(words, workers + 1)
  for (let page = 0; page < memory.pages; page++) locks.free(page, worker + 1)
  const numbers = new Float64Array(memory.buffer)
  const holds = holdsOf(memory, worker)
  for (let at = 0; at < holds.length; at++) {
    const held = holds[at] ?? 0
    if (held !== 0) giveBack(locks, numbers, held - 1)
    holds[at] = 0
  }
}

const HELD: Asked = {
  rule: { algorithm: 'concurrency', limit: 0, windowMs: 1, burst: 0 },
  cost: 1,
}

/** False: the lock of its page is not to be had. */
function giveBack(locks: PageLocks, numbers: Float64Array, counter: number): boolean {
  const page = Math.floor(counter / COUNTERS_PER_PAGE)
  // What a dead thread has locked is freed by the supervisor before long.
  for (let tries = 0; tries < GIVE_BACK_TRIES_MAX; tries++) {
    if (!locks.take(page)) continue
    uncount(HELD, numbers, numberAt(page, counter % COUNTERS_PER_PAGE))
    locks.release(page)
    return true
  }
  return false
}

function numberAt(page: number, place: number): number {
  return page * NUMBERS_PER_PAGE + NUMBERS_AT + place * NUMBERS_PER_COUNTER
}

function noWant(): Want {
  return {
    rule: NO_RULE,
    cost: 1,
    isOpen: true,
    a: 1,
    b: 0,
    page: 0,
    place: -1,
    remaining: 0,
    resetMs: 0,
    hold: -1,
  }
}
