import type { Socket } from 'node:net'
import type { Deadline, Deadlines } from '../deadlines.ts'

/**
 * What the bytes so far come to: how many are needed in all before it is worth looking again, or that it is decided, and
 * how many of them were only for this.
 */
type Look =
  | { readonly isDecided: false; readonly needed: number }
  | { readonly isDecided: true; readonly taken: number }

type FirstBytesParts = {
  readonly deadlines: Deadlines
  /** How long it may take until it is decided. */
  readonly withinMs: number
  /** Looks at everything that has come. It bounds what it asks for. */
  readonly look: (bytes: Buffer) => Look
  /** It is decided: the socket is paused, and gives what was not taken, then the rest. */
  readonly onDecided: () => void
  /** It will not be decided: the client is gone, has closed its side, or was too slow. The socket is the owner's again. */
  readonly onGivenUp: (reason: 'gone' | 'late') => void
}

/** Holds the first bytes of a connection until they say how it goes on. */
export class FirstBytes {
  readonly #socket: Socket
  readonly #parts: FirstBytesParts
  readonly #deadline: Deadline
  #bytes: Buffer = Buffer.alloc(0)
  #length = 0
  #needed = 1

  constructor(socket: Socket, parts: FirstBytesParts) {
    this.#socket = socket
    this.#parts = parts
    this.#deadline = parts.deadlines.create(this)
  }

  /** Takes the socket over until one of the two is told. Once. */
  start(): void {
    const socket = this.#socket
    this.#deadline.set(this.#parts.withinMs)
    socket.on('data', this.#onData)
    socket.on('end', this.#onGone)
    socket.on('close', this.#onGone)
    socket.resume()
  }

  onDeadline(): void {
    this.#giveUp('late')
  }

  readonly #onGone = (): void => this.#giveUp('gone')

  readonly #onData = (bytes: Buffer): void => {
    this.#keep(bytes)
    if (this.#length < this.#needed) return
    const kept = this.#bytes.subarray(0, this.#length)
    const look = this.#parts.look(kept)
    if (!look.isDecided) {
      this.#needed = look.needed
      return
    }
    this.#leave()
    if (look.taken < kept.length) this.#socket.unshift(kept.subarray(look.taken))
    this.#parts.onDecided()
  }

  /** Grows by doubling: a client that sends byte by byte must not cost more than its bytes. */
  #keep(bytes: Buffer): void {
    const length = this.#length + bytes.length
    if (this.#length === 0) this.#bytes = bytes
    else if (length > this.#bytes.length) {
      const grown = Buffer.alloc(Math.max(length, 2 * this.#bytes.length))
      this.#bytes.copy(grown, 0, 0, this.#length)
      bytes.copy(grown, this.#length)
      this.#bytes = grown
    } else bytes.copy(this.#bytes, this.#length)
    this.#length = length
  }

  #giveUp(reason: 'gone' | 'late'): void {
    this.#leave()
    if (this.#length > 0 && !this.#socket.destroyed && reason === 'late') {
      this.#socket.unshift(this.#bytes.subarray(0, this.#length))
    }
    this.#parts.onGivenUp(reason)
  }

  #leave(): void {
    const socket = this.#socket
    socket.pause()
    socket.off('data', this.#onData)
    socket.off('end', this.#onGone)
    socket.off('close', this.#onGone)
    this.#deadline.remove()
  }
}
