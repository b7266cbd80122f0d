import { DNS_CHAIN_MAX, DNS_NEGATIVE_MS_DEFAULT, DNS_TTL_MS_MAX } from '../../shared/limits.ts'

/** The types that are asked for. */
export type DnsType = 'A' | 'AAAA' | 'SRV'

/** What is read of a record. */
type DnsRecord = {
  readonly name: string
  readonly type: string
  readonly ttl?: number | undefined
  readonly data?: unknown
}

/** What is read of a server's answer. */
export type DnsMessage = {
  readonly flags?: number | undefined
  readonly answers?: readonly DnsRecord[] | undefined
  readonly authorities?: readonly DnsRecord[] | undefined
}

/** A service as SRV records tell it (RFC 2782). */
export type DnsService = {
  readonly target: string
  readonly port: number
  readonly priority: number
  readonly weight: number
}

/** What a question came to. `nothing`: the name does not exist, or has no such record. */
export type DnsOutcome<T> =
  | { readonly type: 'found'; readonly found: readonly T[]; readonly ttlMs: number }
  | { readonly type: 'nothing'; readonly ttlMs: number }
  | { readonly type: 'failed'; readonly reason: string }

const NO_ERROR = 0
const NO_NAME = 3
const RCODES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED']

/** Whether an answer was too large for its packet, so that it must be asked for over TCP. */
export function isTruncated({ flags = 0 }: DnsMessage): boolean {
  return (flags & 0x0200) !== 0
}

/**
 * Reads an answer to a question for `name` and `type`, along its aliases. Lives as long as the shortest-lived record on the
 * way (RFC 1035 3.2.1); nothing, as long as the zone says (RFC 2308 5).
 */
export function readAnswer(
  message: DnsMessage,
  asked: { readonly name: string; readonly type: DnsType },
): DnsOutcome<unknown> {
  const rcode = (message.flags ?? 0) & 0x0f
  if (rcode !== NO_ERROR && rcode !== NO_NAME) {
    return { type: 'failed', reason: RCODES[rcode] ?? `rcode ${rcode}` }
  }
  const answers = message.answers ?? []
  let name = asked.name.toLowerCase()
  let ttl = Number.POSITIVE_INFINITY
  for (let step = 0; step < DNS_CHAIN_MAX; step++) {
    const here = answers.filter((record) => record.name.toLowerCase() === name)
    const found = here.filter(({ type }) => type === asked.type)
    if (found.length > 0) {
      for (const record of found) ttl = Math.min(ttl, record.ttl ?? 0)
      return { type: 'found', found: found.map(({ data }) => data), ttlMs: ttlMs(ttl) }
    }
    const alias = here.find(({ type }) => type === 'CNAME')
    if (alias === undefined || typeof alias.data !== 'string') break
    ttl = Math.min(ttl, alias.ttl ?? 0)
    name = alias.data.toLowerCase()
  }
  return { type: 'nothing', ttlMs: negativeMs(message, ttl) }
}

function negativeMs({ authorities = [] }: DnsMessage, aliasTtl: number): number {
  const soa = authorities.find(({ type }) => type === 'SOA')
  if (soa === undefined) return Math.min(DNS_NEGATIVE_MS_DEFAULT, ttlMs(aliasTtl))
  const { minimum } = soa.data as { readonly minimum?: number } // The decoder gives every SOA this shape.
  return ttlMs(Math.min(soa.ttl ?? 0, minimum ?? 0, aliasTtl))
}

function ttlMs(seconds: number): number {
  return Math.min(seconds * 1_000, DNS_TTL_MS_MAX)
}

/** Both families as one: addresses of either count, and nothing is certain only if both say so. */
export function joinOutcomes<T>(outcomes: readonly DnsOutcome<T>[]): DnsOutcome<T> {
  const found = outcomes.filter((outcome) => outcome.type === 'found')
  if (found.length > 0) {
    const shortest = Math.min(...found.map((outcome) => outcome.ttlMs))
    return { type: 'found', found: found.flatMap((outcome) => outcome.found), ttlMs: shortest }
  }
  const failed = outcomes.find((outcome) => outcome.type === 'failed')
  if (failed !== undefined) return failed
  const nothing = outcomes.filter((outcome) => outcome.type === 'nothing')
  return { type: 'nothing', ttlMs: Math.min(...nothing.map((outcome) => outcome.ttlMs)) }
}

/** Those of the best priority that there is (RFC 2782): the others are for when it is gone altogether. */
export function bestServices(services: readonly DnsService[]): readonly DnsService[] {
  const best = Math.min(...services.map(({ priority }) => priority))
  // A lone "." says that there is decidedly no such service.
  return services.filter(
    ({ priority, target }) => priority === best && target !== '.' && target !== '',
  )
}
