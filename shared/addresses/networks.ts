import { parseAddress, type IpAddress } from './ip-address.ts'

type Range = { readonly from: IpAddress; readonly to: IpAddress }

/**
 * Networks as sorted ranges that do not touch, IPv4 and IPv6 apart: whether an address is in one of them is a binary search.
 * A network of mapped addresses (`::ffff:10.0.0.0/104`) is the IPv4 network.
 */
export class Networks {
  readonly #v4: readonly Range[]
  readonly #v6: readonly Range[]

  /** Of texts that `isNetwork` takes; others are left out. */
  constructor(texts: readonly string[]) {
    const ranges = texts.map(rangeOf).filter((range) => range !== null)
    this.#v4 = merged(ranges.filter(({ from }) => from.length === 4))
    this.#v6 = merged(ranges.filter(({ from }) => from.length === 16))
  }

  has(address: IpAddress): boolean {
    const ranges = address.length === 4 ? this.#v4 : this.#v6
    let low = 0
    let high = ranges.length
    while (low < high) {
      const middle = (low + high) >> 1
      const range = ranges[middle]
      if (range === undefined) return false
      if (compare(address, range.from) < 0) high = middle
      else if (compare(address, range.to) > 0) low = middle + 1
      else return true
    }
    return false
  }

  /** The same for the address of a socket, which may name a zone. */
  hasText(text: string): boolean {
    const zone = text.indexOf('%')
    const address = parseAddress(zone === -1 ? text : text.slice(0, zone))
    return address !== null && this.has(address)
  }
}

/** Whether a text is an address, or one with a prefix length behind it and no bit set beyond that: `10.0.0.0/8`. */
export function isNetwork(text: string): boolean {
  return rangeOf(text) !== null
}

function rangeOf(text: string): Range | null {
  const slash = text.indexOf('/')
  const address = parseAddress(slash === -1 ? text : text.slice(0, slash))
  if (address === null) return null
  if (slash === -1) return { from: address, to: address }
  const length = text.slice(slash + 1)
  if (!/^(0|[1-9][0-9]{0,2})$/.test(length)) return null
  // A mapped network counts its prefix from the front of the whole address.
  const isMapped = address.length === 4 && text.slice(0, slash).includes(':')
  return spanned(address, Number(length) - (isMapped ? 96 : 0))
}

function spanned(address: IpAddress, prefix: number): Range | null {
  if (prefix < 0 || prefix > 8 * address.length) return null
  const to = address.slice()
  for (let at = 0; at < address.length; at++) {
    const bits = Math.min(8, Math.max(0, prefix - 8 * at))
    const rest = 0xff >> bits
    // `10.0.0.1/8` may be a slip for a single address, or for the whole network.
    if (((address[at] ?? 0) & rest) !== 0) return null
    to[at] = (address[at] ?? 0) | rest
  }
  return { from: address, to }
}

function merged(ranges: readonly Range[]): readonly Range[] {
  const result: Range[] = []
  for (const range of ranges.toSorted((a, b) => compare(a.from, b.from))) {
    const last = result.at(-1)
    if (last === undefined || compare(range.from, last.to) > 0) result.push(range)
    else if (compare(range.to, last.to) > 0) {
      result[result.length - 1] = { from: last.from, to: range.to }
    }
  }
  return result
}

function compare(a: IpAddress, b: IpAddress): number {
  for (let at = 0; at < a.length; at++) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}
