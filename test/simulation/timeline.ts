import { createHash, type Hash } from 'node:crypto'

/** Something that will happen at a moment of the simulation. */
type Happening = {
  readonly atMs: number
  /** Of two at the same moment the one that was asked for first happens first. */
  readonly sequence: number
  readonly label: string
  readonly run: () => void
  isCalledOff: boolean
}

/** Steps after which the real event loop gets a turn: unhandled rejections are told there. */
const STEPS_PER_REAL_TURN = 512

/**
 * Virtual time: what happens, in order of its moment. Between two happenings every promise that can be settled is,
 * so that a run is decided by what was asked for and by nothing else.
 */
export class Timeline {
  readonly #heap: Happening[] = []
  readonly #trace: Hash = createHash('sha256')
  readonly #onLine: ((line: string) => void) | null
  #nowMs = 0
  #sequence = 0
  #steps = 0

  /** `onLine` gets every line of the trace. */
  constructor(onLine: ((line: string) => void) | null) {
    this.#onLine = onLine
  }

  get nowMs(): number {
    return this.#nowMs
  }

  /** How much has happened. */
  get steps(): number {
    return this.#steps
  }

  /** What has happened so far, in 16 hex digits. */
  get digest(): string {
    return this.#trace.copy().digest('hex').slice(0, 16)
  }

  /** Lets `run` happen in `delayMs`. Returns the way to call it off. */
  after(delayMs: number, label: string, run: () => void): () => void {
    const atMs = this.#nowMs + Math.max(0, delayMs)
    const happening = { atMs, sequence: ++this.#sequence, label, run, isCalledOff: false }
    this.#push(happening)
    return () => {
      happening.isCalledOff = true
    }
  }

  /** Adds a line to the trace. */
  note(text: string): void {
    const line = `${this.#nowMs.toFixed(3)} ${text}\n`
    this.#trace.update(line)
    this.#onLine?.(line)
  }

  /** Lets time pass until `isOver`, or `untilMs`. `afterEach` is called after each step. Throws what a step throws. */
  async run(until: {
    readonly untilMs: number
    readonly isOver: () => boolean
    readonly afterEach: () => void
  }): Promise<void> {
    while (!until.isOver()) {
      const next = this.#heap[0]
      if (next === undefined || next.atMs > until.untilMs) break
      this.#pop()
      if (next.isCalledOff) continue
      this.#nowMs = next.atMs
      this.#steps++
      if (next.label !== '') this.note(next.label)
      next.run()
      await everySettled()
      if (this.#steps % STEPS_PER_REAL_TURN === 0) await realTurn()
      until.afterEach()
    }
    await realTurn()
  }

  #push(happening: Happening): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(happening)
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = heap[parent]
      if (above === undefined || isBefore(above, happening)) break
      heap[at] = above
      at = parent
    }
    heap[at] = happening
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let at = 0
    for (;;) {
      const left = heap[2 * at + 1]
      const right = heap[2 * at + 2]
      if (left === undefined) break
      const isRight = right !== undefined && isBefore(right, left)
      const child = isRight ? right : left
      if (isBefore(last, child)) break
      heap[at] = child
      at = 2 * at + (isRight ? 2 : 1)
    }
    heap[at] = last
  }
}

function isBefore(a: Happening, b: Happening): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence)
}

/** Resolves when no promise can be settled any more: Node runs a tick only once the queue of microtasks is empty. */
function everySettled(): Promise<void> {
  return new Promise((resolve) => {
    process.nextTick(resolve)
  })
}

function realTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
