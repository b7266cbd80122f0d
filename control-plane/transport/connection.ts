import type { Duplex } from 'node:stream'
import { describeError, isRaftwayError, RaftwayError } from '../../shared/errors.ts'
import { FrameDecoder, type Frame } from '../../shared/framing.ts'
import {
  FRAME_BYTES_MAX,
  PEER_FRAME_MS_MAX,
  PEER_HELLO_BYTES_MAX,
  PEER_SILENT_MS_MAX,
} from '../../shared/limits.ts'
import { FRAME, PING } from './wire.ts'

/** How long a refusal may take to leave. */
const LAST_WORDS_MS_MAX = 500

/** Who a connection belongs to at the moment. */
export type ConnectionOwner = {
  /** A frame other than a ping. FRAME_CORRUPT, thrown, closes the connection; anything else is our bug. */
  onFrame(frame: Frame): void
  /** Anything arrived. */
  onHeard?(): void
  /** Once; nothing is delivered afterwards. */
  onClose(reason: RaftwayError): void
}

/**
 * Frames over one stream of bytes. Writes of one callback of the event loop leave together; frames are delivered in order,
 * each once; a damaged one ends the connection.
 */
export class Connection {
  readonly remote: string
  readonly #link: Duplex
  readonly #decoder = new FrameDecoder(PEER_HELLO_BYTES_MAX)
  #owner: ConnectionOwner
  #isCorked = false
  #isPaused = false
  #closed: RaftwayError | null = null
  #heardMs = performance.now()
  /** When the frame that is under way began to arrive. */
  #frameMs = this.#heardMs
  #waiting: (() => void)[] = []

  constructor(link: Duplex, remote: string, owner: ConnectionOwner) {
    this.#link = link
    this.remote = remote
    this.#owner = owner
    link.on('data', (chunk: Uint8Array) => this.#onData(chunk))
    link.on('drain', () => this.#wakeWaiting())
    link.on('error', (cause) => this.close(unreachable(remote, describeError(cause), cause)))
    link.on('end', () => this.close(unreachable(remote, 'the peer closed the connection')))
    link.on('close', () => this.close(unreachable(remote, 'the connection closed')))
  }

  get isOpen(): boolean {
    return this.#closed === null
  }

  /** Bytes that the other side's network has not taken yet. */
  get queuedBytes(): number {
    return this.#link.writableLength
  }

  /** The greeting is over: frames go to `owner` from now on, and may be as large as any. */
  become(owner: ConnectionOwner): void {
    this.#owner = owner
    this.#decoder.allow(FRAME_BYTES_MAX)
  }

  /** Sends a whole frame, which nobody changes afterwards. Dropped when the connection is closed. */
  send(frame: Uint8Array): void {
    if (this.#closed !== null) return
    this.#cork()
    this.#link.write(frame)
  }

  /** Sends a frame whose payload stands behind its head, and waits while the network is behind. Rejects if it breaks. */
  async sendAndDrain(head: Uint8Array, payload: Uint8Array): Promise<void> {
    this.send(head)
    if (payload.length > 0) this.send(payload)
    if (this.#link.writableNeedDrain) await this.#drained()
    if (this.#closed !== null) throw this.#closed
  }

  /** Takes nothing more from the network, but for what has arrived already. */
  pause(): void {
    this.#isPaused = true
    this.#link.pause()
  }

  resume(): void {
    if (!this.#isPaused || this.#closed !== null) return
    this.#isPaused = false
    this.#heardMs = performance.now()
    this.#frameMs = this.#heardMs
    this.#link.resume()
  }

  /** Called about every PEER_PING_MS: says something, and ends a connection that is silent or stuck in one frame. */
  beat(nowMs: number): void {
    this.send(PING)
    // While paused nothing is read, so that nothing can be said about the other side.
    if (this.#isPaused) return
    if (nowMs - this.#heardMs > PEER_SILENT_MS_MAX) {
      this.close(unreachable(this.remote, `nothing came for ${PEER_SILENT_MS_MAX} ms`))
    } else if (this.#decoder.pendingBytes > 0 && nowMs - this.#frameMs > PEER_FRAME_MS_MAX) {
      this.close(unreachable(this.remote, `one frame took more than ${PEER_FRAME_MS_MAX} ms`))
    }
  }

  /** Takes back the time that this process itself was asleep. */
  forgive(ms: number): void {
    this.#heardMs += ms
    this.#frameMs += ms
  }

  /** Ends the connection at once; what was queued is lost. The first reason stands. */
  close(reason: RaftwayError): void {
    if (this.#closed !== null) return
    this.#closed = reason
    this.#link.destroy()
    this.#wakeWaiting()
    this.#owner.onClose(reason)
  }

  /** Ends the connection behind one last frame, which the other side gets if it reads on. */
  finish(frame: Uint8Array, reason: RaftwayError): void {
    if (this.#closed !== null) return
    this.#closed = reason
    this.#link.removeAllListeners('data')
    this.#link.resume()
    this.#uncork()
    const giveUp = setTimeout(() => this.#link.destroy(), LAST_WORDS_MS_MAX)
    this.#link.once('close', () => clearTimeout(giveUp))
    this.#link.end(frame, () => this.#link.destroy())
    this.#wakeWaiting()
    this.#owner.onClose(reason)
  }

  #onData(chunk: Uint8Array): void {
    this.#heardMs = performance.now()
    if (this.#decoder.pendingBytes === 0) this.#frameMs = this.#heardMs
    this.#owner.onHeard?.()
    try {
      for (const frame of this.#decoder.push(chunk)) {
        if (this.#closed !== null) return
        this.#frameMs = this.#heardMs
        if (frame.type !== FRAME.ping) this.#owner.onFrame(frame)
      }
    } catch (error) {
      if (!isRaftwayError(error, 'FRAME_CORRUPT')) throw error
      this.close(error)
    }
  }

  // One system call for everything that is sent in one go. Consensus gathers a turn's work by itself before it sends; to
  // wait for another turn here would add one to every hop.
  #cork(): void {
    if (this.#isCorked) return
    this.#isCorked = true
    this.#link.cork()
    process.nextTick(() => this.#uncork())
  }

  #uncork(): void {
    if (!this.#isCorked) return
    this.#isCorked = false
    this.#link.uncork()
  }

  #drained(): Promise<void> {
    this.#uncork()
    if (!this.#link.writableNeedDrain || this.#closed !== null) return Promise.resolve()
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
    })
  }

  #wakeWaiting(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const wake of waiting) wake()
  }
}

/** PEER_UNREACHABLE: the connection to `remote` is gone, or never was. */
export function unreachable(remote: string, reason: string, cause?: unknown): RaftwayError {
  return new RaftwayError('PEER_UNREACHABLE', `${remote}: ${reason}`, { cause })
}
