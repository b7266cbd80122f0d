import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { HOSTS_FILE_MS } from '../../shared/limits.ts'
import { DnsClient } from './dns-client.ts'
import {
  bestServices,
  joinOutcomes,
  type DnsOutcome,
  type DnsService,
  type DnsType,
} from './dns-answer.ts'
import { parseHosts } from './hosts-file.ts'
import { namesToAsk, parseResolvConf, type DnsServer, type ResolvConf } from './resolv-conf.ts'

/** Which addresses are wanted. */
export type Family = 'any' | 'ipv4' | 'ipv6'

export type ResolverOptions = {
  /** In place of those that resolv.conf names; null: those. */
  readonly server: DnsServer | null
  /** Files that say how this machine looks names up. */
  readonly resolvConf?: string
  readonly hosts?: string
}

/**
 * Looks names up as this machine does: the hosts file first, then the servers and search domains of resolv.conf, both read
 * anew for each look-up, so that a change of theirs needs no restart.
 */
export class Resolver {
  readonly #server: DnsServer | null
  readonly #resolvConf: string
  readonly #hosts: string

  constructor(options: ResolverOptions) {
    this.#server = options.server
    this.#resolvConf = options.resolvConf ?? '/etc/resolv.conf'
    this.#hosts = options.hosts ?? '/etc/hosts'
  }

  /** Every address of a host. Never rejects. */
  async addresses(name: string, family: Family, signal: AbortSignal): Promise<DnsOutcome<string>> {
    if (isIP(name) !== 0) return { type: 'found', found: [name], ttlMs: HOSTS_FILE_MS }
    const known = parseHosts(await textOf(this.#hosts)).get(name.toLowerCase().replace(/\.$/, ''))
    const fitting = known?.filter((address) => fits(address, family)) ?? []
    if (fitting.length > 0) return { type: 'found', found: fitting, ttlMs: HOSTS_FILE_MS }
    const types: readonly DnsType[] =
      family === 'any' ? ['A', 'AAAA'] : family === 'ipv4' ? ['A'] : ['AAAA']
    return this.#askInOrder(name, async (client, whole) => {
      const asked = types.map((type) => client.ask({ name: whole, type }, signal))
      // A and AAAA records are addresses as text.
      return joinOutcomes((await Promise.all(asked)) as DnsOutcome<string>[])
    })
  }

  /** The services of the best priority that a name has SRV records for. Never rejects. */
  async services(name: string, signal: AbortSignal): Promise<DnsOutcome<DnsService>> {
    const outcome = await this.#askInOrder(
      name,
      // The decoder gives every SRV record this shape.
      async (client, whole) =>
        (await client.ask({ name: whole, type: 'SRV' }, signal)) as DnsOutcome<DnsService>,
    )
    if (outcome.type !== 'found') return outcome
    const best = bestServices(outcome.found)
    const { ttlMs } = outcome
    return best.length === 0 ? { type: 'nothing', ttlMs } : { type: 'found', found: best, ttlMs }
  }

  /** The first name that there is something for; a server that fails ends the search, as the others would be a guess. */
  async #askInOrder<T>(
    name: string,
    ask: (client: DnsClient, whole: string) => Promise<DnsOutcome<T>>,
  ): Promise<DnsOutcome<T>> {
    const conf: ResolvConf = parseResolvConf(await textOf(this.#resolvConf))
    const servers = this.#server === null ? conf.servers : [this.#server]
    const client = new DnsClient({ ...conf, servers })
    let last: DnsOutcome<T> = { type: 'failed', reason: 'no name to ask for' }
    for (const whole of namesToAsk(name, conf)) {
      last = await ask(client, whole)
      if (last.type !== 'nothing') return last
    }
    return last
  }
}

function fits(address: string, family: Family): boolean {
  return family === 'any' || (isIP(address) === 6) === (family === 'ipv6')
}

/** A file that is not there says nothing. */
async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch {
    return ''
  }
}
