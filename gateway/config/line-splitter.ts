/** Cuts a stream of bytes into lines of text, without ever holding more than one line and one piece. */
export class LineSplitter {
  readonly #bytesMax: number
  #parts: Buffer[] = []
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /**
   * Hands each whole line, without its end, to `onLine`; what is left waits for the next piece. Stops early when
   * `onLine` returns false. Returns false when a line has more than `bytesMax` bytes, or `onLine` said so.
   */
  push(piece: Buffer, onLine: (line: string) => boolean): boolean {
    let from = 0
    let end = piece.indexOf(10)
    while (end !== -1) {
      if (this.#bytes + end - from > this.#bytesMax) return false
      if (!onLine(this.#take(piece.subarray(from, end)))) return false
      from = end + 1
      end = piece.indexOf(10, from)
    }
    if (from === piece.length) return true
    this.#bytes += piece.length - from
    this.#parts.push(piece.subarray(from))
    return this.#bytes <= this.#bytesMax
  }

  #take(last: Buffer): string {
    if (this.#parts.length === 0) return last.toString('utf8')
    const line = Buffer.concat([...this.#parts, last]).toString('utf8')
    this.#parts = []
    this.#bytes = 0
    return line
  }
}
