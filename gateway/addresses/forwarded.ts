import { FORWARDED_HOPS_MAX } from '../../shared/limits.ts'
import { formatAddress, parseAddress } from '../../shared/addresses/ip-address.ts'
import type { Networks } from '../../shared/addresses/networks.ts'

/** Fields by which proxies say whose request they pass on. */
export const CLIENT_FIELDS = ['x-forwarded-for', 'forwarded'] as const

export type ClientField = (typeof CLIENT_FIELDS)[number]

/**
 * Whose request a trusted peer passes on, by what it says in `field`: from the last address to the first, and the first that
 * is no trusted proxy is the client. What stands before that, the client may have made up. An address that cannot be
 * read ends it too: the client is then whoever was told of last.
 */
export function clientBehind(
  peer: string,
  { field, value }: { readonly field: ClientField; readonly value: string },
  trusted: Networks,
): string {
  const hops = field === 'forwarded' ? forwardedHops(value) : value.split(',')
  let client = peer
  const last = hops.length - 1
  for (let at = last; at >= 0 && at > last - FORWARDED_HOPS_MAX; at--) {
    const address = parseAddress(bareAddress((hops[at] ?? '').trim()))
    if (address === null) return client
    client = formatAddress(address)
    if (!trusted.has(address)) return client
  }
  return client
}

/** What a trusted peer says in `X-Forwarded-Proto`: the last one that is named, which is its own. Null: neither. */
export function saysHttps(value: string): boolean | null {
  const proto = value
    .slice(value.lastIndexOf(',') + 1)
    .trim()
    .toLowerCase()
  if (proto === 'https') return true
  return proto === 'http' ? false : null
}

/** Without brackets and a port: `192.0.2.1:4711` and `[2001:db8::1]:4711` occur in both fields. */
function bareAddress(text: string): string {
  if (text.startsWith('[')) {
    const end = /^\[([^\]]*)\](?::[0-9]{1,5})?$/.exec(text)
    return end?.[1]?.includes(':') === true ? end[1] : ''
  }
  const colon = text.indexOf(':')
  if (colon === -1 || colon !== text.lastIndexOf(':')) return text
  return /^[0-9]{1,5}$/.test(text.slice(colon + 1)) ? text.slice(0, colon) : ''
}

/**
 * The `for` of every element of a Forwarded field (RFC 7239 4); empty where an element has none, or has it twice. A field
 * that is malformed says nothing at all.
 */
function forwardedHops(value: string): readonly string[] {
  const hops: string[] = []
  for (const element of splitOutsideQuotes(value, ',')) {
    // Empty elements of a list do not count (RFC 9110 5.6.1).
    if (element === '') continue
    let hop: string | null = null
    for (const text of splitOutsideQuotes(element, ';')) {
      const pair = PAIR.exec(text)
      if (pair === null) return NO_HOPS
      if (pair[1]?.toLowerCase() !== 'for') continue
      hop = hop === null ? unquoted(pair[2] ?? '') : ''
    }
    hops.push(hop ?? '')
  }
  return hops
}

const NO_HOPS: readonly string[] = []

/** `name=token` or `name="quoted"`. */
const PAIR = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)=([!#$%&'*+.^_`|~0-9A-Za-z-]+|"(?:[^"\\]|\\.)*")$/

function splitOutsideQuotes(text: string, separator: ',' | ';'): readonly string[] {
  const pieces: string[] = []
  let from = 0
  let isQuoted = false
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (isQuoted && character === '\\') at += 1
    else if (character === '"') isQuoted = !isQuoted
    else if (character === separator && !isQuoted) {
      pieces.push(text.slice(from, at).trim())
      from = at + 1
    }
  }
  pieces.push(text.slice(from).trim())
  return pieces
}

function unquoted(text: string): string {
  return text.startsWith('"') ? text.slice(1, -1).replace(/\\(.)/g, '$1') : text
}
