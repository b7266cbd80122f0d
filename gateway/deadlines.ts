import { DEADLINE_SLOTS, DEADLINE_TICK_MS } from '../shared/limits.ts'

/** Who hears that a deadline has passed. */
export type DeadlineOwner = { onDeadline(): void }

/**
 * Deadlines of connections, checked by one coarse timer for all instead of one timer each. To move a deadline further out, which
 * is what nearly every request does, is to write a number. Deadlines pass up to two ticks late, and never early.
 */
export class Deadlines {
  readonly #slots: (Deadline | null)[] = Array.from({ length: DEADLINE_SLOTS }, () => null)
  readonly #now: () => number
  #timer: NodeJS.Timeout | null = null
  /** Ticks of the past that have been looked through. */
  #tick = 0
  #count = 0

  constructor(now: () => number) {
    this.#now = now
  }

  /** A deadline that is not set. */
  create(owner: DeadlineOwner): Deadline {
    return new Deadline(this, owner)
  }

  now(): number {
    return this.#now()
  }

  /** Puts a deadline where it will be looked at: at its time, or at the horizon if that is nearer. */
  link(deadline: Deadline): void {
    const tick = this.#startTimer()
    const wanted = Math.ceil(deadline.at / DEADLINE_TICK_MS) + 1
    const lookAt = Math.min(Math.max(wanted, tick + 1), tick + DEADLINE_SLOTS - 1)
    deadline.lookAt = lookAt * DEADLINE_TICK_MS
    const slot = lookAt % DEADLINE_SLOTS
    const first = this.#slots[slot] ?? null
    deadline.slot = slot
    deadline.previous = null
    deadline.next = first
    if (first !== null) first.previous = deadline
    this.#slots[slot] = deadline
    this.#count += 1
  }

  unlink(deadline: Deadline): void {
    const { previous, next, slot } = deadline
    if (previous === null) this.#slots[slot] = next
    else previous.next = next
    if (next !== null) next.previous = previous
    deadline.slot = -1
    deadline.previous = null
    deadline.next = null
    this.#count -= 1
  }

  /** Stops the timer; deadlines do not pass any more. */
  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  #startTimer(): number {
    if (this.#timer !== null) return this.#tick
    this.#tick = Math.floor(this.#now() / DEADLINE_TICK_MS)
    this.#timer = setTimeout(() => this.#pass(), DEADLINE_TICK_MS)
    this.#timer.unref()
    return this.#tick
  }

  /** Looks through every slot that has come up since the last time. */
  #pass(): void {
    const tick = Math.floor(this.#now() / DEADLINE_TICK_MS)
    // A process that slept looks at each slot once, not at each tick that it missed.
    const from = Math.max(this.#tick + 1, tick - DEADLINE_SLOTS + 1)
    this.#tick = tick
    const due: Deadline[] = []
    for (let passed = from; passed <= tick; passed++) this.#look(passed % DEADLINE_SLOTS, due)
    // What was set again by the owner of another one is not due any more.
    for (const deadline of due) if (deadline.isDue) deadline.owner.onDeadline()
    if (this.#count > 0 && this.#timer !== null) this.#timer.refresh()
    else this.close()
  }

  #look(slot: number, due: Deadline[]): void {
    const now = this.#now()
    for (let deadline = this.#slots[slot] ?? null; deadline !== null;) {
      const { next } = deadline
      this.unlink(deadline)
      if (deadline.at <= now) {
        deadline.at = Number.POSITIVE_INFINITY
        deadline.isDue = true
        due.push(deadline)
      } else if (deadline.at !== Number.POSITIVE_INFINITY) {
        this.link(deadline)
      }
      deadline = next
    }
  }
}

/** One deadline of one connection; it can be set again and again. */
export class Deadline {
  readonly owner: DeadlineOwner
  readonly #deadlines: Deadlines
  /** When it passes; infinite while it is not set. */
  at = Number.POSITIVE_INFINITY
  /** When it is looked at. What is set for later is found not to be due then, and put further out. */
  lookAt = 0
  /** Where it is linked, by `Deadlines`; -1: nowhere. */
  slot = -1
  isDue = false
  previous: Deadline | null = null
  next: Deadline | null = null

  constructor(deadlines: Deadlines, owner: DeadlineOwner) {
    this.#deadlines = deadlines
    this.owner = owner
  }

  /** Passes in `ms`, unless it is set again or cleared before. */
  set(ms: number): void {
    this.isDue = false
    this.at = this.#deadlines.now() + ms
    if (this.slot === -1) {
      this.#deadlines.link(this)
    } else if (this.at < this.lookAt - 2 * DEADLINE_TICK_MS) {
      this.#deadlines.unlink(this)
      this.#deadlines.link(this)
    }
  }

  clear(): void {
    this.isDue = false
    this.at = Number.POSITIVE_INFINITY
  }

  /** For good: nothing is kept of it. */
  remove(): void {
    this.isDue = false
    this.at = Number.POSITIVE_INFINITY
    if (this.slot !== -1) this.#deadlines.unlink(this)
  }
}
