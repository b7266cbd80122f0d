import type { ExchangeHandler } from './exchange.ts'

/** Holds an exchange while a stage waits for something: nothing of its body is taken, and its end is heard. */
export class Waiting implements ExchangeHandler {
  readonly #onAbort: () => void
  #isGone = false

  constructor(onAbort: () => void) {
    this.#onAbort = onAbort
  }

  /** The client did not wait. */
  get isGone(): boolean {
    return this.#isGone
  }

  onBodyData(): boolean {
    return false
  }

  onBodyEnd(): void {}

  onBodyPause(): void {}

  onDrain(): void {}

  onAbort(): void {
    this.#isGone = true
    this.#onAbort()
  }
}
