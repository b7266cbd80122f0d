import { AssertionError } from '../../shared/assert.ts'
import { isRaftwayError, RaftwayError } from '../../shared/errors.ts'
import { encodeFrame, type Frame } from '../../shared/framing.ts'
import { SNAPSHOT_QUEUE_BYTES_MAX } from '../../shared/limits.ts'
import type { Logger } from '../../shared/logger.ts'
import type { PeerHandler, PeerIdentity } from '../ports.ts'
import type { MessageOf } from '../raft/messages.ts'
import { malformed } from './bytes.ts'
import { unreachable, type Connection, type ConnectionOwner } from './connection.ts'
import { decodeMessage } from './message-codec.ts'
import { encodeError, FRAME } from './wire.ts'

/**
 * Owns a connection over which one snapshot arrives, and hands it to the handler chunk by chunk. The connection is
 * paused while more than SNAPSHOT_QUEUE_BYTES_MAX wait. The handler's word is the acknowledgement, and only once it
 * has read to the end.
 */
export class SnapshotReceiver implements ConnectionOwner {
  readonly #connection: Connection
  readonly #from: PeerIdentity
  readonly #handler: PeerHandler
  readonly #logger: Logger
  readonly #onEnd: () => void
  readonly onHeard: () => void
  #message: MessageOf<'snap'> | null = null
  readonly #chunks: Uint8Array[] = []
  #bytes = 0
  /** The last frame is in. */
  #isWhole = false
  /** The handler has been told that there is no more. */
  #isRead = false
  #failure: RaftwayError | null = null
  /** The handler waits for the next chunk. */
  #wake: (() => void) | null = null

  /** `onEnd` is called once, when the connection is over. */
  constructor(options: {
    readonly connection: Connection
    readonly from: PeerIdentity
    readonly handler: PeerHandler
    readonly logger: Logger
    readonly onHeard: () => void
    readonly onEnd: () => void
  }) {
    this.#connection = options.connection
    this.#from = options.from
    this.#handler = options.handler
    this.#logger = options.logger
    this.onHeard = options.onHeard
    this.#onEnd = options.onEnd
  }

  onFrame({ type, payload }: Frame): void {
    if (this.#isWhole) throw malformed(`frame ${type} after the end of a snapshot`)
    if (this.#message === null) {
      this.#begin(type, payload)
    } else if (type === FRAME.chunk) {
      this.#chunks.push(payload)
      this.#bytes += payload.length
      if (this.#bytes > SNAPSHOT_QUEUE_BYTES_MAX) this.#connection.pause()
      this.#wakeReader()
    } else if (type === FRAME.end) {
      this.#isWhole = true
      this.#wakeReader()
    } else {
      throw malformed(`frame ${type} within a snapshot`)
    }
  }

  onClose(reason: RaftwayError): void {
    this.#failure = reason
    this.#wakeReader()
    this.#onEnd()
  }

  #begin(type: number, payload: Uint8Array): void {
    if (type !== FRAME.message) throw malformed(`frame ${type} at the start of a snapshot`)
    const message = decodeMessage(payload)
    if (message.type !== 'snap') throw malformed(`a ${message.type} message begins no snapshot`)
    this.#message = message
    // It never rejects but on a broken invariant, which ends the process.
    void this.#deliver(message)
  }

  async #deliver(message: MessageOf<'snap'>): Promise<void> {
    try {
      await this.#handler.onSnapshot(message, this.#read())
      if (!this.#isRead) {
        throw new RaftwayError('INTERNAL', 'the snapshot was not read to its end')
      }
      this.#connection.send(encodeFrame(FRAME.done, new Uint8Array(0)))
    } catch (error) {
      if (error instanceof AssertionError) throw error
      this.#logger.warn({ err: error, from: this.#from.name }, 'a snapshot was not taken')
      const reason = isRaftwayError(error)
        ? error
        : unreachable(this.#connection.remote, 'the snapshot was not taken', error)
      this.#connection.finish(encodeError(FRAME.error, null, error), reason)
    }
  }

  async *#read(): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const chunk = this.#chunks.shift()
      if (chunk !== undefined) {
        this.#bytes -= chunk.length
        if (this.#bytes <= SNAPSHOT_QUEUE_BYTES_MAX / 2) this.#connection.resume()
        yield chunk
      } else if (this.#isWhole) {
        this.#isRead = true
        return
      } else if (this.#failure !== null) {
        throw this.#failure
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    }
  }

  #wakeReader(): void {
    this.#wake?.()
    this.#wake = null
  }
}
