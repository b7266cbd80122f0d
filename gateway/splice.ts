import type { ByteStream } from './exchange.ts'

/** Who hears what becomes of a splice. */
export type SpliceOwner = {
  /** So many bytes came from one side, and are on their way to the other. */
  onCarried(from: 'client' | 'target', size: number): void
  /** Both sides are gone, or one of them was in the middle of something. Once; nothing is told after it. */
  onSpliceClosed(): void
}

/**
 * Two streams tied together: bytes go through as they are, both ways, and wait at their source when the other side is
 * slower, so that at most one read and one buffer of a socket is held each way. A side that has ended may still be answered.
 */
export class Splice {
  readonly #client: ByteStream
  readonly #target: ByteStream
  readonly #owner: SpliceOwner
  #isClosed = false

  constructor(client: ByteStream, target: ByteStream, owner: SpliceOwner) {
    this.#client = client
    this.#target = target
    this.#owner = owner
  }

  /** Lets the bytes flow. Once. */
  start(): void {
    this.#carry('client', this.#client, this.#target)
    this.#carry('target', this.#target, this.#client)
  }

  /** Cuts both sides. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#client.destroy()
    this.#target.destroy()
    this.#owner.onSpliceClosed()
  }

  #carry(side: 'client' | 'target', from: ByteStream, to: ByteStream): void {
    from.on('data', (bytes: Buffer) => {
      this.#owner.onCarried(side, bytes.length)
      if (!to.write(bytes)) from.pause()
    })
    to.on('drain', () => from.resume())
    from.on('end', () => to.end())
    from.on('error', () => {})
    from.on('close', () => {
      // What came to its end in order is still on its way to the other side.
      if (!from.readableEnded) this.close()
      else if (to.destroyed) this.close()
    })
    from.resume()
  }
}
