import { unreachable } from '../../shared/assert.ts'

/** Timers that one request may have: of its answer, of the whole call, of one attempt, of the second one beside it. */
export type TimerName = 'request' | 'call' | 'attempt' | 'hedge'

/** What ends the timers of one request. Made only for requests that have one. To end one that has passed does nothing. */
export class RequestTimers {
  #stopRequest: (() => void) | null = null
  #stopCall: (() => void) | null = null
  #stopAttempt: (() => void) | null = null
  #stopHedge: (() => void) | null = null

  set(name: TimerName, stop: () => void): void {
    switch (name) {
      case 'request':
        this.#stopRequest = stop
        break
      case 'call':
        this.#stopCall = stop
        break
      case 'attempt':
        this.#stopAttempt = stop
        break
      case 'hedge':
        this.#stopHedge = stop
        break
      default:
        unreachable(name)
    }
  }

  /** Of an attempt, and of the second one that was planned beside it. */
  stopAttempt(): void {
    this.#stopAttempt?.()
    this.#stopAttempt = null
    this.#stopHedge?.()
    this.#stopHedge = null
  }

  /** Everything that is for requests without an answer. */
  stopWaiting(): void {
    this.stopAttempt()
    this.#stopRequest?.()
    this.#stopRequest = null
  }

  stopAll(): void {
    this.stopWaiting()
    this.#stopCall?.()
    this.#stopCall = null
  }
}
