import { MORE, REFUSED } from './head-reader.ts'

/** Bytes of `HTTP/1.1`. */
export const VERSION_BYTES = 8

const SHAPE = 'HTTP/0.0'

/**
 * The version at `from` as major × 10 + minor: 11 for `HTTP/1.1`. MORE while it is cut (never once an LF was met),
 * REFUSED when it is none.
 */
export function readVersion(bytes: Uint8Array, from: number, end: number): number {
  for (let i = 0; i < VERSION_BYTES; i++) {
    if (from + i >= end) return MORE
    const byte = bytes[from + i] ?? 0
    const isFitting = i === 5 || i === 7 ? byte >= 48 && byte <= 57 : byte === SHAPE.charCodeAt(i)
    if (!isFitting) return REFUSED
  }
  return ((bytes[from + 5] ?? 0) - 48) * 10 + (bytes[from + 7] ?? 0) - 48
}
