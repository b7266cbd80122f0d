import { describeError } from '../../shared/errors.ts'
import { FORM_CONTACTS_MAX } from '../../shared/limits.ts'
import type { HostPort, Lookup } from '../ports.ts'

/** What a join list comes to at the moment. */
export type Expansion = {
  /** `HOST:PORT` with an address for a host, each once, by the entry that they come of. */
  readonly peers: ReadonlyMap<string, readonly string[]>
  /** Entries that could not be looked up, and why. */
  readonly failed: ReadonlyMap<string, string>
}

/** `srv+NAME`, or the name of a service as it is: `_raftway._tcp.example.com`. */
const SERVICE = /^(?:srv\+)?(_[^:\s/]+)$|^srv\+([^:\s/]+)$/

/** The name of the service that an entry of a join list means; null for `HOST:PORT`. */
function serviceOf(entry: string): string | null {
  const match = SERVICE.exec(entry)
  return match?.[1] ?? match?.[2] ?? null
}

/**
 * Looks up every entry of a join list: a host name is all of its addresses, a service all addresses of all of its hosts.
 * Without `lookup` each entry is the one address that it says. Never rejects.
 */
export async function expandJoin(
  entries: readonly string[],
  lookup: Lookup | null,
): Promise<Expansion> {
  const peers = new Map<string, readonly string[]>()
  const failed = new Map<string, string>()
  await Promise.all(
    entries.map(async (entry) => {
      try {
        const found = lookup === null ? [entry] : await lookUp(entry, lookup)
        peers.set(entry, found.slice(0, FORM_CONTACTS_MAX))
      } catch (error) {
        failed.set(entry, `it cannot be looked up: ${describeError(error)}`)
      }
    }),
  )
  return { peers, failed }
}

async function lookUp(entry: string, lookup: Lookup): Promise<readonly string[]> {
  const service = serviceOf(entry)
  const places = service === null ? [parsePlace(entry)] : await lookup.services(service)
  const found = await Promise.allSettled(
    places.map(async ({ host, port }) => {
      const addresses = await lookup.addresses(host)
      return withoutTwins(addresses).map((address) => formatPlace({ host: address, port }))
    }),
  )
  const peers = found.flatMap((one) => (one.status === 'fulfilled' ? one.value : []))
  const failure = found.find((one) => one.status === 'rejected')
  if (peers.length === 0 && failure !== undefined) throw failure.reason
  return [...new Set(peers)]
}

/** `localhost` is one place, though it has an address of each family. */
function withoutTwins(addresses: readonly string[]): readonly string[] {
  const isLocal = addresses.every((one) => one === '::1' || one.startsWith('127.'))
  return isLocal ? addresses.slice(0, 1) : addresses
}

/** `HOST:PORT` or `[HOST]:PORT`, as the options were checked for. */
function parsePlace(entry: string): HostPort {
  const at = entry.lastIndexOf(':')
  return { host: entry.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(entry.slice(at + 1)) }
}

function formatPlace({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
