import { equalsLower } from './bytes.ts'

/** What Connection fields say about the connection itself, as bits. */
export const OPTION = { CLOSE: 1, KEEP_ALIVE: 2, UPGRADE: 4 } as const

const COMMA = 44

/** The options that one Connection value names, of those that concern the connection (RFC 9110 7.6.1). */
export function connectionOptions(bytes: Uint8Array, from: number, to: number): number {
  let options = 0
  for (let at = from; at < to;) {
    let end = at
    while (end < to && bytes[end] !== COMMA) end++
    options |= optionOf(bytes, at, end)
    at = end + 1
  }
  return options
}

function optionOf(bytes: Uint8Array, from: number, to: number): number {
  let start = from
  let end = to
  while (start < end && isBlank(bytes[start])) start++
  while (end > start && isBlank(bytes[end - 1])) end--
  if (equalsLower(bytes, start, end, 'close')) return OPTION.CLOSE
  if (equalsLower(bytes, start, end, 'keep-alive')) return OPTION.KEEP_ALIVE
  if (equalsLower(bytes, start, end, 'upgrade')) return OPTION.UPGRADE
  return 0
}

function isBlank(byte: number | undefined): boolean {
  return byte === 32 || byte === 9
}
