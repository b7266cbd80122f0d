// Texts of requests as UTF-8 bytes, which is how paths are looked up. Reading the characters of a string one by one costs
// V8 14.6 up to 14 ns each, and `startsWith` 0.4 µs; writing it into a buffer once costs 0.1 µs, and then 2 ns are enough
// to hash or compare four bytes.

/** The hash of a text. */
export function hashOf(text: string): number {
  scratch.load(text)
  return hashOfRange(scratch, 0, scratch.length)
}

/** The hash of the bytes from `start` to before `end`. */
export function hashOfRange({ bytes, view }: ByteScratch, start: number, end: number): number {
  let hash = end - start
  let at = start
  for (; at + WORD <= end; at += WORD) hash = hashedWith(hash, view.getInt32(at))
  for (; at < end; at++) hash = hashedWith(hash, bytes[at] ?? 0)
  return hash ^ (hash >>> 13)
}

/** A hash with one more number, every bit of which reaches the lowest bits within two more steps. */
function hashedWith(hash: number, word: number): number {
  const product = Math.imul(hash ^ word, 0x2c1b3c6d)
  return product ^ (product >>> 15)
}

/** How many bytes of a usual text fit without allocating. */
const SCRATCH_BYTES = 32_768

const SLASH = 47
/** How many bytes are compared at a time. */
const WORD = 4

/** The bytes of one text at a time, in a buffer that is used again. */
export class ByteScratch {
  readonly #own = Buffer.alloc(SCRATCH_BYTES)
  readonly #ownView = viewOf(this.#own)
  /** The bytes, followed by whatever was there before. Valid until the next `load`. */
  bytes: Buffer = this.#own
  /** The same bytes. */
  view: DataView = this.#ownView
  /** How many of them count. */
  length = 0

  /** Takes a text in place of the last one. */
  load(text: string): void {
    // A code unit becomes at most three bytes.
    const size = text.length * 3
    this.bytes = size <= SCRATCH_BYTES ? this.#own : Buffer.alloc(size)
    this.view = size <= SCRATCH_BYTES ? this.#ownView : viewOf(this.bytes)
    this.length = this.bytes.write(text)
  }
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Where the segment that `at` is in ends. */
export function endOfSegment({ bytes, length }: ByteScratch, at: number): number {
  let end = at
  while (end < length && bytes[end] !== SLASH) end++
  return end
}

/**
 * Texts with one whole rest of a segment between each two, to be compared with requests. The bytes of many literals lie
 * side by side in one slab, where they take far fewer pages of memory than in an object each: what a match waits for in
 * a large table is memory (test/bench/table.ts).
 */
export type Literals = {
  /** For each text its size in two bytes, and its bytes; then a size of -1. */
  readonly slab: DataView
  readonly from: number
}

/** Large enough that slabs are few, small enough that one which is kept for few literals costs little. */
const SLAB_BYTES = 65_536
const SIZE_BYTES = 2

let slab = viewOf(Buffer.alloc(0))
let used = 0

/** Writes texts, each up to 32,767 bytes, into a slab, which lives as long as any of its literals. */
export function literalsOf(texts: readonly string[]): Literals {
  let needed = SIZE_BYTES
  for (const text of texts) needed += SIZE_BYTES + text.length * 3
  if (used + needed > slab.byteLength) {
    slab = viewOf(Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, needed)))
    used = 0
  }
  const from = used
  for (const text of texts) {
    scratch.load(text)
    slab.setInt16(used, scratch.length)
    used += SIZE_BYTES
    for (let at = 0; at < scratch.length; at++) slab.setUint8(used++, scratch.bytes[at] ?? 0)
  }
  slab.setInt16(used, -1)
  used += SIZE_BYTES
  return { slab, from }
}

/** Where a text goes on behind a pattern that stands at its beginning; -1 when the pattern does not. */
export function endOfLiterals({ slab, from }: Literals, text: ByteScratch): number {
  const { view, length } = text
  let at = 0
  let here = from
  for (;;) {
    const end = here + SIZE_BYTES + slab.getInt16(here)
    here += SIZE_BYTES
    if (at + end - here > length) return -1
    for (; here + WORD <= end; here += WORD, at += WORD) {
      if (slab.getInt32(here) !== view.getInt32(at)) return -1
    }
    for (; here < end; here++, at++) if (slab.getUint8(here) !== view.getUint8(at)) return -1
    if (slab.getInt16(here) < 0) return at
    const segment = at
    at = endOfSegment(text, at)
    if (at === segment) return -1
  }
}

const scratch = new ByteScratch()
