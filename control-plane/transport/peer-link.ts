import { isRaftwayError, type RaftwayError } from '../../shared/errors.ts'
import {
  PEER_QUEUE_BYTES_MAX,
  PEER_RECONNECT_MS_MAX,
  PEER_RECONNECT_MS_MIN,
} from '../../shared/limits.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Random } from '../../shared/random.ts'
import type { NodeAddress } from '../ports.ts'
import type { Connection } from './connection.ts'
import type { Adopt } from './greeting.ts'

export type PeerLinkParts = {
  /** Opens a connection for messages; as `dial`. */
  readonly dial: (adopt: Adopt, signal: AbortSignal) => Promise<void>
  readonly onHeard: () => void
  /** Something that `send` took may not arrive. */
  readonly onUnreachable: () => void
  readonly random: Random
  readonly logger: Logger
}

/**
 * The way of messages to one member: one connection at a time, opened again and again.
 *
 *   waiting ──► dialling ──► open
 *      ▲            │          │
 *      └────────────┴──────────┘
 *
 * While it dials, messages wait; when dialling fails or the connection breaks, what waits is dropped: consensus repeats
 * what still matters, and a message sent twice could overtake its own successor.
 */
export class PeerLink {
  readonly address: NodeAddress
  readonly #parts: PeerLinkParts
  readonly #end = new AbortController()
  #connection: Connection | null = null
  /** Frames taken while dialling. */
  #queue: Uint8Array[] = []
  #queueBytes = 0
  #isDialling = false
  #timer: NodeJS.Timeout | undefined
  /** Attempts since the last connection that lasted. */
  #failures = 0
  #openedMs = 0

  constructor(address: NodeAddress, parts: PeerLinkParts) {
    this.address = address
    this.#parts = parts
    this.#dial()
  }

  /** Takes a frame, in order after every other; false when it was dropped. */
  send(frame: Uint8Array): boolean {
    const connection = this.#connection
    if (connection !== null) {
      if (connection.queuedBytes + frame.length > PEER_QUEUE_BYTES_MAX) return false
      connection.send(frame)
      return true
    }
    if (!this.#isDialling || this.#queueBytes + frame.length > PEER_QUEUE_BYTES_MAX) return false
    this.#queue.push(frame)
    this.#queueBytes += frame.length
    return true
  }

  /** The peer was just heard of: an attempt that would be made later is made now. */
  wake(): void {
    if (this.#timer === undefined) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#dial()
  }

  /** For good; `onUnreachable` is not called any more. */
  close(reason: RaftwayError): void {
    this.#end.abort()
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#drop()
    this.#connection?.close(reason)
  }

  #dial(): void {
    this.#isDialling = true
    const adopt: Adopt = (connection) => this.#open(connection)
    // Both outcomes are handled here; nothing is left to reject.
    void this.#parts.dial(adopt, this.#end.signal).catch((error: unknown) => this.#onFailure(error))
  }

  #open(connection: Connection): ReturnType<Adopt> {
    this.#isDialling = false
    this.#openedMs = performance.now()
    this.#connection = connection
    this.#parts.onHeard()
    for (const frame of this.#queue) connection.send(frame)
    this.#drop()
    const { id, name, peer } = this.address
    this.#parts.logger.info({ id, name, peer }, 'connected to a member')
    return {
      onFrame: () => {},
      onHeard: this.#parts.onHeard,
      onClose: (reason) => {
        this.#connection = null
        if (performance.now() - this.#openedMs > PEER_RECONNECT_MS_MAX) this.#failures = 0
        this.#onFailure(reason)
      },
    }
  }

  #onFailure(error: unknown): void {
    this.#isDialling = false
    this.#drop()
    if (this.#end.signal.aborted) return
    this.#failures++
    // The first failure in a row is news; the others are its repetition. A member that is just starting is none.
    const { id, name, peer } = this.address
    const isNews = this.#failures === 1 && !isRaftwayError(error, 'NOT_FORMED')
    const log = isNews ? 'warn' : 'debug'
    this.#parts.logger[log]({ id, name, peer, err: error }, 'no connection to a member')
    this.#timer = setTimeout(() => this.wake(), this.#backOffMs())
    this.#parts.onUnreachable()
  }

  /** Doubles with every failure; between half of it and all of it, so that nodes do not knock in step. */
  #backOffMs(): number {
    const doubled = PEER_RECONNECT_MS_MIN * 2 ** Math.min(this.#failures - 1, 16)
    const most = Math.min(doubled, PEER_RECONNECT_MS_MAX)
    return most / 2 + this.#parts.random.below(Math.ceil(most / 2))
  }

  #drop(): void {
    this.#queue = []
    this.#queueBytes = 0
  }
}
