/** An IP address as its bytes in network order: 4 of them, or 16. An IPv4 address that is mapped into IPv6 has 4. */
export type IpAddress = Uint8Array

const COLON = 0x3a
const DOT = 0x2e
const ZERO = 0x30
const V4_BYTES = 4
const V6_BYTES = 16
/** `::ffff:0:0/96`, where IPv4 is mapped to (RFC 4291 2.5.5.2). */
const MAPPED_BYTES = 12

/**
 * Reads an address strictly: four decimal numbers without leading zeros, or the forms of RFC 4291 2.2; no brackets, port or
 * zone. Null for anything else.
 */
export function parseAddress(text: string): IpAddress | null {
  if (!text.includes(':')) return parseV4(text)
  const bytes = parseV6(text)
  return bytes === null ? null : narrowed(bytes)
}

/** The text of an address: IPv6 as RFC 5952 has it. */
export function formatAddress(address: IpAddress): string {
  if (address.length === V4_BYTES) return address.join('.')
  const groups = Array.from({ length: 8 }, (_, at) => groupAt(address, at))
  const { from, length } = longestZeros(groups)
  const hex = groups.map((group) => group.toString(16))
  if (length < 2) return hex.join(':')
  return `${hex.slice(0, from).join(':')}::${hex.slice(from + length).join(':')}`
}

/** The same address, in 4 bytes if it is a mapped one. */
export function narrowed(address: IpAddress): IpAddress {
  return address.length === V6_BYTES && isMapped(address) ? address.slice(MAPPED_BYTES) : address
}

/** The 16 bytes of an address; IPv4 is mapped. */
export function widened(address: IpAddress): IpAddress {
  if (address.length === V6_BYTES) return address
  const wide = new Uint8Array(V6_BYTES)
  wide.fill(0xff, 10, MAPPED_BYTES)
  wide.set(address, MAPPED_BYTES)
  return wide
}

function parseV4(text: string): IpAddress | null {
  const bytes = new Uint8Array(V4_BYTES)
  let at = 0
  let digits = 0
  let value = 0
  for (let i = 0; i <= text.length; i++) {
    const code = i === text.length ? DOT : text.charCodeAt(i)
    if (code === DOT) {
      if (digits === 0 || at === V4_BYTES) return null
      bytes[at++] = value
      digits = 0
      value = 0
      continue
    }
    const digit = code - ZERO
    if (digit < 0 || digit > 9 || (digits > 0 && value === 0)) return null
    value = value * 10 + digit
    digits += 1
    if (value > 255) return null
  }
  return at === V4_BYTES ? bytes : null
}

function parseV6(text: string): IpAddress | null {
  const gap = text.indexOf('::')
  if (gap !== -1 && text.includes('::', gap + 1)) return null
  const head = groupsOf(gap === -1 ? text : text.slice(0, gap))
  const tail = gap === -1 ? NO_BYTES : groupsOf(text.slice(gap + 2))
  if (head === null || tail === null) return null
  // An embedded IPv4 address stands at the end only.
  if (gap !== -1 && text.slice(0, gap).includes('.')) return null
  const size = head.length + tail.length
  // `::` stands for one group at least.
  if (gap === -1 ? size !== V6_BYTES : size > V6_BYTES - 2) return null
  const bytes = new Uint8Array(V6_BYTES)
  bytes.set(head, 0)
  bytes.set(tail, V6_BYTES - tail.length)
  return bytes
}

const NO_BYTES: readonly number[] = []

/** The bytes of groups that colons divide; null when one is none. */
function groupsOf(text: string): readonly number[] | null {
  if (text === '') return NO_BYTES
  if (text.charCodeAt(0) === COLON || text.charCodeAt(text.length - 1) === COLON) return null
  const bytes: number[] = []
  const groups = text.split(':')
  for (const [at, group] of groups.entries()) {
    if (group.includes('.')) {
      const v4 = at === groups.length - 1 ? parseV4(group) : null
      if (v4 === null) return null
      bytes.push(...v4)
      continue
    }
    if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return null
    const value = Number.parseInt(group, 16)
    bytes.push(value >> 8, value & 0xff)
    if (bytes.length > V6_BYTES) return null
  }
  return bytes
}

function isMapped(bytes: IpAddress): boolean {
  for (let at = 0; at < MAPPED_BYTES; at++) {
    if (bytes[at] !== (at < 10 ? 0 : 0xff)) return false
  }
  return true
}

function groupAt(address: IpAddress, at: number): number {
  return ((address[2 * at] ?? 0) << 8) | (address[2 * at + 1] ?? 0)
}

/** The first of the longest runs of zero groups. */
function longestZeros(groups: readonly number[]): {
  readonly from: number
  readonly length: number
} {
  let best = { from: 0, length: 0 }
  let from = 0
  for (let at = 0; at <= groups.length; at++) {
    if (groups[at] === 0) continue
    if (at - from > best.length) best = { from, length: at - from }
    from = at + 1
  }
  return best
}
