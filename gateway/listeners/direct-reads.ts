import { Socket } from 'node:net'
import { READ_BYTES } from '../../shared/limits.ts'

/** Where all connections of the thread read to: what is read is dealt with before the next read, and what is kept is copied. */
const READ_BUFFER = Buffer.allocUnsafeSlow(READ_BYTES)

/** Takes the first `size` of some bytes, which are the reader's again afterwards. */
type ReadTaker = (bytes: Buffer, size: number) => void

/**
 * An accepted connection whose reads go to one memory for all instead of 64 KiB each, which is an eighth of what a small
 * request costs (test/bench/README.md, proxy). Node has a public way to this for connections that one makes, `onread`, and
 * none for those that one accepts: so the handle of the accepted socket is put into another one.
 */
export class DirectReads {
  /** In place of the accepted one. */
  readonly socket: Socket
  /** Who gets what is read. Null: it comes out of the socket, as from any other stream. */
  taker: ReadTaker | null = null

  private constructor(accepted: Socket, handle: object) {
    const onread = { buffer: READ_BUFFER, callback: (size: number) => this.#onRead(size) }
    const options: object = { handle, onread, allowHalfOpen: accepted.allowHalfOpen }
    this.socket = new Socket(options)
    // The server waits for the end of what it has accepted.
    this.socket.once('close', () => accepted.destroy())
  }

  /** Takes a connection over that was accepted and not read from. Null, and nothing has changed, where Node has no way to it. */
  static of(accepted: Socket): DirectReads | null {
    const handle: unknown = Reflect.get(accepted, '_handle')
    if (!canReadDirectly(handle) || !Reflect.set(accepted, '_handle', null)) return null
    return new DirectReads(accepted, handle)
  }

  /** False: read no more until the socket is resumed. */
  #onRead(size: number): boolean {
    if (this.taker === null) return this.socket.push(Buffer.from(READ_BUFFER.subarray(0, size)))
    this.taker(READ_BUFFER, size)
    return true
  }
}

function canReadDirectly(handle: unknown): handle is object {
  if (typeof handle !== 'object' || handle === null) return false
  return 'useUserBuffer' in handle && typeof handle.useUserBuffer === 'function'
}
