import type { Clock } from '../../control-plane/clock.ts'
import type { Random } from '../../shared/random.ts'
import type { Timeline } from './timeline.ts'

/** A machine's own time: how fast its oscillator runs, and what its wall clock shows. */
export class MachineTime {
  readonly #timeline: Timeline
  /** Local milliseconds a millisecond of the simulation. */
  #rate = 1
  /** Both clocks at the moment of the last change of rate. */
  #localMs = 0
  #sinceMs = 0
  #wallOffsetMs = 1_700_000_000_000

  constructor(timeline: Timeline) {
    this.#timeline = timeline
  }

  get localMs(): number {
    return this.#localMs + (this.#timeline.nowMs - this.#sinceMs) * this.#rate
  }

  get wallMs(): number {
    return Math.floor(this.localMs + this.#wallOffsetMs)
  }

  get rate(): number {
    return this.#rate
  }

  drift(rate: number): void {
    this.#localMs = this.localMs
    this.#sinceMs = this.#timeline.nowMs
    this.#rate = rate
  }

  /** Somebody set the wall clock. Durations are not touched. */
  jump(byMs: number): void {
    this.#wallOffsetMs += byMs
  }
}

/** One process: what it waits for dies with it, and stands still while it does. */
export class Life implements Clock {
  readonly name: string
  readonly #timeline: Timeline
  readonly #time: MachineTime
  readonly #random: Random
  /** A slow machine: its clock goes on while it works, so that long work is cut into slices. */
  readonly #workMs: number
  #workedMs = 0
  readonly #onEnd = new Set<() => void>()
  #isOver = false
  /** What fell due while the process stood still, in order; null while it runs. */
  #held: (() => void)[] | null = null

  constructor(parts: {
    readonly name: string
    readonly timeline: Timeline
    readonly time: MachineTime
    readonly random: Random
    readonly workMs: number
  }) {
    this.name = parts.name
    this.#timeline = parts.timeline
    this.#time = parts.time
    this.#random = parts.random
    this.#workMs = parts.workMs
  }

  get isOver(): boolean {
    return this.#isOver
  }

  get isHeld(): boolean {
    return this.#held !== null
  }

  /** The process is gone, and its connections with it. */
  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#held = null
    for (const hear of this.#onEnd) hear()
  }

  /** Called when the process ends. Returns the way to stop listening. */
  onEnd(listener: () => void): () => void {
    this.#onEnd.add(listener)
    return () => this.#onEnd.delete(listener)
  }

  /** The process stands still: nothing of it runs. */
  hold(): void {
    if (!this.#isOver) this.#held ??= []
  }

  resume(): void {
    const held = this.#held ?? []
    this.#held = null
    // One after another, as the kernel would hand them over.
    for (const action of held) this.soon('', action)
  }

  /** Runs `action` in this process, now or when it runs again; never if it is over. */
  enter(action: () => void): void {
    if (this.#isOver) return
    if (this.#held === null) action()
    else this.#held.push(action)
  }

  /** Lets `action` happen in this process in so many milliseconds of the simulation. */
  in(delayMs: number, label: string, action: () => void): () => void {
    return this.#timeline.after(delayMs, label, () => this.enter(action))
  }

  /** As soon as the process comes to it. */
  soon(label: string, action: () => void): void {
    this.in(this.#random.below(50) / 1_000, label, action)
  }

  now(): number {
    return this.#time.wallMs
  }

  monotonic(): number {
    this.#workedMs += this.#workMs
    return this.#time.localMs + this.#workedMs
  }

  every(ms: number, action: () => void): () => void {
    let isStopped = false
    let cancel = (): void => {}
    const next = (): void => {
      cancel = this.in(ms / this.#time.rate, '', () => {
        if (isStopped) return
        next()
        action()
      })
    }
    next()
    return () => {
      isStopped = true
      cancel()
    }
  }

  after(ms: number, action: () => void): () => void {
    let isStopped = false
    const cancel = this.in(ms / this.#time.rate, '', () => {
      if (!isStopped) action()
    })
    return () => {
      isStopped = true
      cancel()
    }
  }

  defer(action: () => void): void {
    this.soon('', action)
  }
}
