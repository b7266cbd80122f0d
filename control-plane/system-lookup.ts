import { lookup as lookupBySystem } from 'node:dns'
import { promises as dns } from 'node:dns'
import { isIP } from 'node:net'
import { DNS_QUERY_MS_MAX, DNS_TRIES } from '../shared/limits.ts'
import type { Lookup } from './ports.ts'

/**
 * Looks names up as this machine does (hosts file included), services by its DNS servers; with `server` (`HOST:PORT`), by
 * that DNS server first.
 */
export function systemLookup(server: string | null): Lookup {
  const resolver = new dns.Resolver({ timeout: DNS_QUERY_MS_MAX, tries: DNS_TRIES })
  if (server !== null) resolver.setServers([server])
  return {
    async addresses(host) {
      if (isIP(host) !== 0) return [host]
      const asked = server === null ? [] : await askBoth(resolver, host)
      return asked.length > 0 ? asked : askSystem(host)
    },
    async services(name) {
      const records = await resolver.resolveSrv(name)
      return records.map(({ name: host, port }) => ({ host, port }))
    },
  }
}

/** Nothing when the server knows of no address; the system may still know one. */
async function askBoth(resolver: dns.Resolver, host: string): Promise<readonly string[]> {
  const answers = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)])
  return answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
}

function askSystem(host: string): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    lookupBySystem(host, { all: true }, (error, found) => {
      if (error === null) resolve(found.map(({ address }) => address))
      else reject(error)
    })
  })
}
