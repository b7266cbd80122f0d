import { unreachable } from '../../shared/assert.ts'
import type { Balance } from '../../shared/definitions/upstream.ts'
import type { Random } from '../../shared/random.ts'
import { draw, hashText, load, mix, type Candidate, type Selection } from './balance.ts'
import type { LoadOrder, TargetState } from './target-state.ts'

// The balances of balance.ts for sets that are too large to be looked through for each request: what is chosen has the
// same shares and the same smoothness, not the same order.

/** Chooses among targets that are the same, with the same weights, as long as it lives. None of them has weight 0. */
export type Picker<T> = {
  pick(selection: Selection<T>): T
}

/** The picker for a set, which must not be empty. Takes over the targets' `state.order` where it needs to hear of load. */
export function largeSet<T extends Candidate>(
  balance: Balance,
  targets: readonly T[],
  random: Random,
): Picker<T> {
  switch (balance) {
    case 'round-robin':
      return isEven(targets) ? new Turns(targets, random) : new Deadlines(targets, random)
    case 'least-connections':
      return new LeastLoaded(targets)
    case 'ip-hash':
    case 'hash':
      return new HashTable(targets)
    case 'random-two-choices':
      return new TwoChoices(targets)
    default:
      return unreachable(balance)
  }
}

function isEven(targets: readonly Candidate[]): boolean {
  const weight = targets[0]?.weight
  return targets.every((target) => target.weight === weight)
}

/** The target at a place that is known to be one. */
function at<T>(targets: readonly T[], place: number): T {
  return targets[place] as T // 0 ≤ place < length, by construction of every caller.
}

/** Equal weights: one after the other. Begins anywhere, so that many changes do not favour the first. */
class Turns<T extends Candidate> implements Picker<T> {
  readonly #targets: readonly T[]
  #next: number

  constructor(targets: readonly T[], random: Random) {
    this.#targets = targets
    this.#next = random.below(targets.length)
  }

  pick(): T {
    const target = at(this.#targets, this.#next)
    this.#next = this.#next + 1 === this.#targets.length ? 0 : this.#next + 1
    return target
  }
}

/**
 * Weighted round robin by earliest deadline: a target of weight w is due every 1/w. A binary heap, O(log n) a choice.
 * Source: stride scheduling, Waldspurger and Weihl 1995.
 */
class Deadlines<T extends Candidate> implements Picker<T> {
  readonly #targets: T[]
  readonly #due: number[]

  constructor(targets: readonly T[], random: Random) {
    const begun = targets.map((target) => ({ target, due: draw(random, 1) / target.weight }))
    begun.sort((a, b) => a.due - b.due)
    // A sorted list is a heap.
    this.#targets = begun.map(({ target }) => target)
    this.#due = begun.map(({ due }) => due)
  }

  pick(): T {
    const targets = this.#targets
    const due = this.#due
    const target = at(targets, 0)
    const next = at(due, 0) + 1 / target.weight
    let place = 0
    for (;;) {
      let child = 2 * place + 1
      if (child >= due.length) break
      if (child + 1 < due.length && at(due, child + 1) < at(due, child)) child += 1
      if (at(due, child) >= next) break
      due[place] = at(due, child)
      targets[place] = at(targets, child)
      place = child
    }
    due[place] = next
    targets[place] = target
    return target
  }
}

/** Fewest calls under way for the weight, among equals the one that waited longest: a heap that hears of every call. */
class LeastLoaded<T extends Candidate> implements Picker<T>, LoadOrder {
  readonly #heap: T[]
  #turns = 0

  constructor(targets: readonly T[]) {
    this.#heap = targets.toSorted((a, b) => load(a) - load(b) || a.state.turn - b.state.turn)
    this.#heap.forEach(({ state }, place) => {
      state.order = this
      state.place = place
      this.#turns = Math.max(this.#turns, state.turn)
    })
  }

  pick(): T {
    const target = at(this.#heap, 0)
    this.#turns += 1
    target.state.turn = this.#turns
    this.#sink(target, 0)
    return target
  }

  moved(state: TargetState): void {
    const target = at(this.#heap, state.place)
    const place = this.#rise(target, state.place)
    this.#sink(target, place)
  }

  #rise(target: T, from: number): number {
    let place = from
    while (place > 0) {
      const parent = (place - 1) >> 1
      if (!comesBefore(target, at(this.#heap, parent))) break
      this.#put(at(this.#heap, parent), place)
      place = parent
    }
    this.#put(target, place)
    return place
  }

  #sink(target: T, from: number): void {
    const heap = this.#heap
    let place = from
    for (;;) {
      let child = 2 * place + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && comesBefore(at(heap, child + 1), at(heap, child))) child += 1
      if (!comesBefore(at(heap, child), target)) break
      this.#put(at(heap, child), place)
      place = child
    }
    this.#put(target, place)
  }

  #put(target: T, place: number): void {
    this.#heap[place] = target
    target.state.place = place
  }
}

function comesBefore(a: Candidate, b: Candidate): boolean {
  const difference = load(a) - load(b)
  return difference < 0 || (difference === 0 && a.state.turn < b.state.turn)
}

/** Two draws by weight, each by a search in the running sums; the second is never the first. */
class TwoChoices<T extends Candidate> implements Picker<T> {
  readonly #targets: readonly T[]
  /** Weights up to and with each target. */
  readonly #sums: Float64Array

  constructor(targets: readonly T[]) {
    this.#targets = targets
    this.#sums = new Float64Array(targets.length)
    let sum = 0
    targets.forEach(({ weight }, place) => {
      sum += weight
      this.#sums[place] = sum
    })
  }

  pick({ random }: Selection<T>): T {
    const total = this.#sums[this.#sums.length - 1] ?? 0
    const place = this.#search(draw(random, total))
    const first = at(this.#targets, place)
    // The first one's share is left out: what lies behind it moves up.
    const begin = (this.#sums[place] ?? 0) - first.weight
    const left = draw(random, total - first.weight)
    const second = at(this.#targets, this.#search(left < begin ? left : left + first.weight))
    return load(second) < load(first) ? second : first
  }

  #search(sum: number): number {
    let low = 0
    let high = this.#sums.length - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if (sum < (this.#sums[middle] ?? 0)) high = middle
      else low = middle + 1
    }
    return low
  }
}

/** Primes: sizes of hash tables, so that every step visits every place. At least 64 places a target. */
const TABLE_SIZES = [4_099, 16_411, 65_537] as const

/**
 * Consistent hashing by a table of places: one look a choice. When a target goes, its places are shared among the others,
 * and about one in a hundred of their own changes hands as well. Source: Maglev, Eisenbud and others 2016.
 */
class HashTable<T extends Candidate> implements Picker<T> {
  readonly #targets: readonly T[]
  readonly #places: Uint16Array

  constructor(targets: readonly T[]) {
    this.#targets = targets
    const size = TABLE_SIZES.find((prime) => prime >= 64 * targets.length) ?? 65_537
    this.#places = fill(targets, size)
  }

  pick({ key }: Selection<T>): T {
    const place = hashText(key) % this.#places.length
    return at(this.#targets, this.#places[place] ?? 0)
  }
}

/** Targets take free places in rounds, each along its own way through the table; of lesser weight, in fewer rounds. */
function fill(targets: readonly Candidate[], size: number): Uint16Array {
  const FREE = 0xffff
  const places = new Uint16Array(size).fill(FREE)
  const heaviest = targets.reduce((most, { weight }) => Math.max(most, weight), 0)
  const next = targets.map(({ seed }) => seed % size)
  const steps = targets.map(({ seed }) => (mix(seed ^ 0x9e3779b9) % (size - 1)) + 1)
  const owed = targets.map(() => 0)
  let free = size
  while (free > 0) {
    for (let i = 0; i < targets.length && free > 0; i++) {
      owed[i] = at(owed, i) + at(targets, i).weight / heaviest
      if (at(owed, i) < 1) continue
      owed[i] = at(owed, i) - 1
      let place = at(next, i)
      while (places[place] !== FREE) place = (place + at(steps, i)) % size
      places[place] = i
      next[i] = (place + at(steps, i)) % size
      free -= 1
    }
  }
  return places
}
