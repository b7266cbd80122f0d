import type { Socket } from 'node:net'
import { CLIENT_DROPPED_BYTES_MAX, CLIENT_LINGER_MS } from '../../shared/limits.ts'
import type { Deadline } from '../deadlines.ts'
import type { ConnectionParts } from './connection-parts.ts'

/**
 * The end of a connection whose last reply is out: this side is closed, and what still comes is read and dropped for a
 * moment, because a reset could take the last answer away from the client. Both the time and the bytes are bounded.
 */
export class Farewell {
  readonly #socket: Socket
  readonly #idleMs: number
  readonly #deadline: Deadline
  /** Bytes that may still be dropped. */
  #droppable = CLIENT_DROPPED_BYTES_MAX

  constructor(socket: Socket, parts: Pick<ConnectionParts, 'deadlines' | 'bounds'>) {
    this.#socket = socket
    this.#idleMs = parts.bounds.idleMs
    this.#deadline = parts.deadlines.create(this)
  }

  /** Closes this side; `isHalfClosed`: the client has closed its own. Once, and nobody else listens to the socket's data. */
  begin(isHalfClosed: boolean): void {
    const socket = this.#socket
    socket.on('close', () => this.#deadline.remove())
    socket.end()
    if (isHalfClosed && socket.writableLength === 0) {
      socket.destroySoon()
      return
    }
    socket.on('data', (bytes: Buffer) => this.#drop(bytes.length))
    socket.on('drain', () => this.#deadline.set(CLIENT_LINGER_MS))
    socket.on('end', () => {
      if (socket.writableLength === 0) socket.destroy()
    })
    this.#deadline.set(socket.writableLength === 0 ? CLIENT_LINGER_MS : this.#idleMs)
    socket.resume()
  }

  onDeadline(): void {
    this.#socket.destroy()
  }

  #drop(size: number): void {
    this.#droppable -= size
    if (this.#droppable < 0 && this.#socket.writableLength === 0) this.#socket.destroy()
  }
}
