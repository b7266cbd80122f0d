/**
 * Decompresses a Snappy block, as LevelDB writes them; null when it is none. Node has no such function.
 * Source: google/snappy format_description.txt.
 */
export function unsnappy(block: Buffer): Buffer | null {
  const head = readVarint(block, 0)
  if (head === null || head.value > SNAPPY_BYTES_MAX) return null
  const out = Buffer.alloc(head.value)
  let to = 0
  let at = head.end
  while (at < block.length) {
    const tag = block[at++] ?? 0
    const element = (tag & 3) === 0 ? readLiteral(block, tag, at) : readCopy(block, tag, at)
    if (element === null || to + element.bytes > out.length) return null
    if (element.offset === 0) {
      if (element.end > block.length) return null
      block.copy(out, to, element.end - element.bytes, element.end)
    } else {
      if (element.offset > to) return null
      // A copy may overlap what it writes: byte by byte.
      for (let i = 0; i < element.bytes; i++) out[to + i] = out[to + i - element.offset] ?? 0
    }
    to += element.bytes
    at = element.end
  }
  return to === out.length ? out : null
}

/** A base-128 number, low groups first, and where it ends; null when it does not. */
export function readVarint(
  bytes: Buffer,
  start: number,
): { readonly value: number; readonly end: number } | null {
  let value = 0
  for (let i = 0; i < 8 && start + i < bytes.length; i++) {
    const byte = bytes[start + i] ?? 0
    value += (byte & 0x7f) * 2 ** (7 * i)
    if (byte < 0x80) return { value, end: start + i + 1 }
  }
  return null
}

/** Far above the blocks of a table, which have some kilobytes. */
const SNAPPY_BYTES_MAX = 64 * 1024 * 1024

/** `offset` 0: the bytes before `end` in the block itself. */
type Element = { readonly bytes: number; readonly offset: number; readonly end: number }

function readLiteral(block: Buffer, tag: number, at: number): Element | null {
  const short = tag >> 2
  if (short < 60) return { bytes: short + 1, offset: 0, end: at + short + 1 }
  const extra = short - 59
  if (at + extra > block.length) return null
  const bytes = block.readUIntLE(at, extra) + 1
  return { bytes, offset: 0, end: at + extra + bytes }
}

function readCopy(block: Buffer, tag: number, at: number): Element | null {
  const extra = [0, 1, 2, 4][tag & 3] ?? 0
  if (at + extra > block.length) return null
  const low = block.readUIntLE(at, extra)
  const isNear = (tag & 3) === 1
  const offset = isNear ? ((tag >> 5) << 8) | low : low
  if (offset === 0) return null
  return { bytes: isNear ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1, offset, end: at + extra }
}
