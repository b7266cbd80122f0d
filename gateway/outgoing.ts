import type { Socket } from 'node:net'
import {
  GATHERED_CHARS_MAX,
  GATHERED_WRITES_MAX,
  READ_BYTES,
  SMALL_PIECE_BYTES_MAX,
} from '../shared/limits.ts'
import { chunkStart } from './http1/serialise.ts'

/** Room for the text before a piece, its chunk's frame, and the piece. */
const SCRATCH_BYTES = READ_BYTES + GATHERED_CHARS_MAX + 64

/**
 * Where larger pieces are put together with what goes before them. One for the whole thread: a write that the system took
 * at once leaves it free, one that did not takes it along.
 */
let scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES)

/** What the whole thread writes when the turn of the event loop ends. */
const due: Outgoing[] = []

/**
 * What goes out on one socket, in as few writes as can be: heads and small pieces are gathered as text, one character a byte.
 * What is flushed leaves at the end of the turn, together with what goes out on other sockets: code that alternates with
 * the kernel's for each message costs a quarter more (test/bench/README.md, proxy). Pieces are copied or written before
 * the call returns; their bytes stay the caller's.
 */
export class Outgoing {
  readonly #socket: Socket
  readonly #onFull: () => void
  #text = ''
  #isDue = false

  /** `onFull`: what left at the end of a turn was not taken at once, and a drain will follow. */
  constructor(socket: Socket, onFull: () => void) {
    this.#socket = socket
    this.#onFull = onFull
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
    return this.#text.length > GATHERED_CHARS_MAX ? this.write() : !this.#socket.writableNeedDrain
  }

  /** What was gathered leaves at the end of this turn, or at once if it is much. False: wait for a drain. */
  flush(): boolean {
    if (this.#text.length > GATHERED_CHARS_MAX) return this.write()
    if (!this.#isDue && this.#text !== '') {
      this.#isDue = true
      if (due.length === 0) setImmediate(writeDue)
      due.push(this)
      if (due.length >= GATHERED_WRITES_MAX) writeDue()
    }
    return !this.#socket.writableNeedDrain
  }

  /** Writes what was gathered, for whoever closes the socket or gives it away. False: wait for a drain. */
  write(): boolean {
    if (this.#text === '') return !this.#socket.writableNeedDrain
    const text = this.#text
    this.#text = ''
    return this.#socket.write(text, 'latin1')
  }

  /** Whether something was gathered and not yet written. */
  get isPending(): boolean {
    return this.#text !== ''
  }

  /** The turn ends. */
  onDue(): void {
    this.#isDue = false
    if (this.#text !== '' && !this.#socket.destroyed && !this.write()) this.#onFull()
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

function writeDue(): void {
  // Nothing that is written makes more of it: sockets tell of failures and drains later.
  for (const outgoing of due) outgoing.onDue()
  due.length = 0
}
