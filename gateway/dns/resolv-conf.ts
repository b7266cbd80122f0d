import { isIP } from 'node:net'
import {
  DNS_ATTEMPTS_MAX,
  DNS_NDOTS_MAX,
  DNS_SEARCH_MAX,
  DNS_SERVERS_MAX,
  DNS_TIMEOUT_SECONDS_MAX,
} from '../../shared/limits.ts'

/** Whom to ask for names, and how: what resolv.conf(5) says. */
export type ResolvConf = {
  /** Tried in this order. */
  readonly servers: readonly DnsServer[]
  /** Domains to try a short name in. */
  readonly search: readonly string[]
  /** A name with as many dots is tried as it is first. */
  readonly ndots: number
  /** For one question to one server. */
  readonly timeoutMs: number
  /** Rounds through the servers. */
  readonly attempts: number
}

export type DnsServer = { readonly host: string; readonly port: number }

const DNS_PORT = 53

/** Reads the text of a resolv.conf. What it does not know it leaves out, as every resolver does. */
export function parseResolvConf(text: string): ResolvConf {
  const servers: DnsServer[] = []
  let search: readonly string[] = []
  let options: readonly string[] = []
  for (const line of text.split('\n')) {
    const [word = '', ...rest] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/)
    const [first = ''] = rest
    if (word === 'nameserver' && isIP(withoutZone(first)) !== 0) {
      if (servers.length < DNS_SERVERS_MAX) servers.push({ host: first, port: DNS_PORT })
    } else if (word === 'search' || word === 'domain') {
      // The last of them counts.
      search = rest.slice(0, word === 'domain' ? 1 : DNS_SEARCH_MAX).map(withoutEndDot)
    } else if (word === 'options') options = [...options, ...rest]
  }
  if (servers.length === 0) servers.push({ host: '127.0.0.1', port: DNS_PORT })
  return {
    servers,
    search: search.filter((domain) => domain !== ''),
    ndots: numberOf(options, 'ndots', { default: 1, min: 0, max: DNS_NDOTS_MAX }),
    timeoutMs:
      1_000 * numberOf(options, 'timeout', { default: 5, min: 1, max: DNS_TIMEOUT_SECONDS_MAX }),
    attempts: numberOf(options, 'attempts', { default: 2, min: 1, max: DNS_ATTEMPTS_MAX }),
  }
}

/** The names to ask for, in order: a name that ends in a dot is whole, a short one is tried in the search domains first. */
export function namesToAsk(name: string, { search, ndots }: ResolvConf): readonly string[] {
  if (name.endsWith('.')) return [withoutEndDot(name)]
  const within = search.map((domain) => `${name}.${domain}`)
  const dots = name.split('.').length - 1
  return dots >= ndots ? [name, ...within] : [...within, name]
}

function withoutZone(address: string): string {
  return address.replace(/%.*$/, '')
}

function withoutEndDot(name: string): string {
  return name.replace(/\.$/, '')
}

function numberOf(
  options: readonly string[],
  name: string,
  bounds: { readonly default: number; readonly min: number; readonly max: number },
): number {
  const option = options.findLast((word) => word.startsWith(`${name}:`))
  const value = option === undefined ? Number.NaN : Number(option.slice(name.length + 1))
  if (!Number.isInteger(value)) return bounds.default
  return Math.min(bounds.max, Math.max(bounds.min, value))
}
