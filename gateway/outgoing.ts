import type { Socket } from 'node:net'
import { GATHERED_CHARS_MAX, READ_BYTES, SMALL_PIECE_BYTES_MAX } from '../shared/limits.ts'
import { chunkStart } from './http1/serialise.ts'

/** Room for the text before a piece, its chunk's frame, and the piece. */
const SCRATCH_BYTES = READ_BYTES + GATHERED_CHARS_MAX + 64

/**
 * Where larger pieces are put together with what goes before them. One for the whole thread: a write that the system took
 * at once leaves it free, one that did not takes it along.
 */
let scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES)

/**
 * What goes out on one socket, in as few writes as can be: heads and small pieces are gathered as text, one character a byte,
 * until they are flushed. Pieces are copied or written before the call returns; their bytes stay the caller's.
 */
export class Outgoing {
  readonly #socket: Socket
  #text = ''

  constructor(socket: Socket) {
    this.#socket = socket
  }

  /** Gathers text. It goes out with `flush`, or before the next larger piece. */
  add(text: string): void {
    this.#text += text
  }

  /** Gathers or writes `bytes[from, to)` of a body, as a chunk where the body is chunked. False: wait for a drain. */
  piece(bytes: Buffer, from: number, to: number, isChunked: boolean): boolean {
    const size = to - from
    if (size > SMALL_PIECE_BYTES_MAX) return this.#large(bytes, from, to, isChunked)
    const text = bytes.toString('latin1', from, to)
    this.#text += isChunked ? `${chunkStart(size)}${text}\r\n` : text
    return this.#text.length > GATHERED_CHARS_MAX ? this.flush() : !this.#socket.writableNeedDrain
  }

  /** Writes what was gathered. False: wait for a drain. */
  flush(): boolean {
    if (this.#text === '') return !this.#socket.writableNeedDrain
    const text = this.#text
    this.#text = ''
    return this.#socket.write(text, 'latin1')
  }

  /** Whether something was gathered and not yet written. */
  get isPending(): boolean {
    return this.#text !== ''
  }

  #large(bytes: Buffer, from: number, to: number, isChunked: boolean): boolean {
    const before = isChunked ? this.#text + chunkStart(to - from) : this.#text
    this.#text = ''
    const size = before.length + (to - from) + 2
    const isShared = size <= SCRATCH_BYTES
    const target = isShared ? scratch : Buffer.allocUnsafeSlow(size)
    let end = target.write(before, 0, 'latin1')
    end += bytes.copy(target, end, from, to)
    if (isChunked) end += target.write('\r\n', end, 'latin1')
    const isFree = this.#socket.write(target.subarray(0, end))
    // What the system has not taken yet still points into the memory.
    if (isShared && this.#socket.writableLength > 0) scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES)
    return isFree
  }
}
