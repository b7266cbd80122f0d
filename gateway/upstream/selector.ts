import type { Balance } from '../../shared/definitions/upstream.ts'
import { SLOW_START_STEPS, TARGETS_LOOKED_THROUGH_MAX } from '../../shared/limits.ts'
import type { Random } from '../../shared/random.ts'
import type { CompiledHealth } from '../../shared/routing/types.ts'
import { selectTarget, type Candidate, type Selection } from './balance.ts'
import { largeSet, type Picker } from './large-set.ts'

/** A target whose weight follows its health. */
export type HealthCandidate = Candidate & {
  /** As configured; 0 takes it out. */
  readonly fullWeight: number
  weight: number
}

/**
 * Which target takes the next request: balance, active checks, ejection and slow start in one. The set of those that may
 * be chosen is made anew only when something changed or a moment has come; a request only reads it. Never empty by
 * accident: when too few are well, all of them take requests.
 */
export class Selector<T extends HealthCandidate> {
  readonly #balance: Balance
  readonly #health: CompiledHealth
  readonly #targets: readonly T[]
  /** One object for all requests. */
  readonly #selection: Selection<T>
  #choosable: readonly T[] = []
  #large: Picker<T> | null = null
  /** When the set must be made anew; 0: at the next request. */
  #dueAtMs = 0
  #isPanic = false
  #isRetired = false

  constructor(
    options: { readonly balance: Balance; readonly health: CompiledHealth },
    targets: readonly T[],
    random: Random,
  ) {
    this.#balance = options.balance
    this.#health = options.health
    this.#targets = targets
    this.#selection = { key: '', tried: [], random }
  }

  /** Too few targets are well: health is disregarded. As of the last choice. */
  get isPanic(): boolean {
    return this.#isPanic
  }

  /** The target for a request; null when there is none that may be chosen. O(1) or O(log n) while nothing was tried. */
  choose(key: string, tried: readonly T[], nowMs: number): T | null {
    if (nowMs >= this.#dueAtMs) this.#settle(nowMs)
    if (this.#choosable.length === 0) return null
    const selection = this.#selection
    selection.key = key
    if (this.#large !== null && tried.length === 0) return this.#large.pick(selection)
    selection.tried = tried
    return selectTarget(this.#balance, this.#choosable, selection)
  }

  /** Whether a target takes requests: for whoever wants one in particular. */
  mayChoose(target: T, nowMs: number): boolean {
    if (nowMs >= this.#dueAtMs) this.#settle(nowMs)
    return target.weight > 0
  }

  /** A call to a target was answered as it should be. */
  succeeded({ state }: T): void {
    state.failuresInRow = 0
  }

  /** A call to a target failed; enough of them in a row eject it. */
  failed(target: T, nowMs: number): void {
    const { state } = target
    state.failures += 1
    state.failuresInRow += 1
    const { passive } = this.#health
    if (passive === null || state.failuresInRow < passive.failuresInRow) return
    if (state.ejectedUntilMs > nowMs || !this.#mayEject(passive.ejectPercentMax, nowMs)) return
    // A quiet time as long as the longest ejection is as good as none before.
    const isLongAgo = nowMs - state.ejectedUntilMs > passive.ejectMsMax
    state.ejections = isLongAgo ? 1 : state.ejections + 1
    const lastsMs = Math.min(passive.ejectMs * 2 ** (state.ejections - 1), passive.ejectMsMax)
    state.ejectedUntilMs = nowMs + lastsMs
    state.failuresInRow = 0
    this.changed()
  }

  /** What is known of a target has changed elsewhere. */
  changed(): void {
    this.#dueAtMs = 0
  }

  /** Another has taken its place: it serves only the requests that hold it, and must not take load orders over. */
  retire(): void {
    this.#isRetired = true
    this.#large = null
    for (const { state } of this.#targets) state.order = null
  }

  #mayEject(percentMax: number, nowMs: number): boolean {
    let count = 0
    let ejected = 0
    for (const { fullWeight, state } of this.#targets) {
      if (fullWeight === 0) continue
      count += 1
      if (state.ejectedUntilMs > nowMs) ejected += 1
    }
    if (count < 2) return false
    return ejected < Math.max(1, Math.floor((count * percentMax) / 100))
  }

  #settle(nowMs: number): void {
    const { panicPercent } = this.#health
    this.#dueAtMs = Number.POSITIVE_INFINITY
    const well: T[] = []
    const all: T[] = []
    for (const target of this.#targets) {
      target.weight = 0
      if (!this.#isRetired) target.state.order = null
      if (target.fullWeight === 0) continue
      all.push(target)
      if (!this.#isWell(target, nowMs)) continue
      target.weight = this.#weightOf(target, nowMs)
      well.push(target)
    }
    this.#isPanic = panicPercent > 0 && well.length * 100 < Math.max(1, all.length * panicPercent)
    if (this.#isPanic) for (const target of all) target.weight = target.fullWeight
    this.#choosable = this.#isPanic ? all : well
    const { length } = this.#choosable
    const isLarge = length > TARGETS_LOOKED_THROUGH_MAX && !this.#isRetired
    this.#large = isLarge ? largeSet(this.#balance, this.#choosable, this.#selection.random) : null
  }

  #isWell({ state }: T, nowMs: number): boolean {
    if (state.ejectedUntilMs > nowMs) {
      this.#dueAtMs = Math.min(this.#dueAtMs, state.ejectedUntilMs)
      return false
    }
    const { ejectedUntilMs } = state
    if (ejectedUntilMs !== 0 && ejectedUntilMs > state.upSinceMs)
      state.upSinceMs = state.ejectedUntilMs
    return state.isUp
  }

  /** In steps, so that the set is made anew some times and not for each request. */
  #weightOf({ fullWeight, state }: T, nowMs: number): number {
    const { slowStartMs } = this.#health
    const stepMs = slowStartMs / SLOW_START_STEPS
    const step =
      stepMs === 0 ? SLOW_START_STEPS : Math.floor((nowMs - state.upSinceMs) / stepMs) + 1
    if (step >= SLOW_START_STEPS) return fullWeight
    this.#dueAtMs = Math.min(this.#dueAtMs, state.upSinceMs + step * stepMs)
    return (fullWeight * Math.max(1, step)) / SLOW_START_STEPS
  }
}
