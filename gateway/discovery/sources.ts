import { readFile, stat } from 'node:fs/promises'
import { unreachable } from '../../shared/assert.ts'
import { describeError } from '../../shared/errors.ts'
import { DISCOVERY_BYTES_MAX, TARGETS_PER_UPSTREAM_MAX } from '../../shared/limits.ts'
import type { DiscoveryOptions, ListOptions } from '../../shared/routing/types.ts'
import type { DnsOutcome, DnsService } from '../dns/dns-answer.ts'
import type { Resolver } from '../dns/resolver.ts'
import { readEndpointList } from './endpoint-list.ts'
import { getText } from './http-get.ts'
import type { Endpoint, Finding } from './known-endpoints.ts'

/** Looks once for the endpoints of an upstream. Never rejects: what went wrong is a finding. */
export type Ask = (signal: AbortSignal) => Promise<Finding>

type OptionsOf<T extends DiscoveryOptions['type']> = Extract<DiscoveryOptions, { type: T }>

/** Where the options say that endpoints are found. */
export function sourceOf(options: DiscoveryOptions): Ask {
  switch (options.type) {
    case 'dns':
      return (signal) => findByDns(options, signal)
    case 'http':
      return (signal) => findOverHttp(options, signal)
    case 'file':
      return () => findInFile(options)
    default:
      return unreachable(options)
  }
}

async function findByDns(options: OptionsOf<'dns'>, signal: AbortSignal): Promise<Finding> {
  // Loaded when it is needed: most gateways never ask a DNS server themselves.
  const dns = await import('../dns/resolver.ts')
  const resolver = new dns.Resolver({ server: options.server })
  return options.isService
    ? findServices(resolver, options, signal)
    : findAddresses(resolver, options, signal)
}

async function findAddresses(
  resolver: Resolver,
  { name, family, portDefault }: OptionsOf<'dns'>,
  signal: AbortSignal,
): Promise<Finding> {
  const outcome = await resolver.addresses(name, family, signal)
  if (outcome.type !== 'found') return outcome
  const whole = withoutEndDot(name)
  const endpoints = outcome.found.map((host) => ({
    host,
    port: portDefault,
    weight: 1,
    name: whole,
  }))
  return bounded(endpoints, outcome.ttlMs)
}

/** The addresses of every service. One that cannot be looked up makes the round a failed one: the others are not all. */
async function findServices(
  resolver: Resolver,
  { name, family }: OptionsOf<'dns'>,
  signal: AbortSignal,
): Promise<Finding> {
  const services = await resolver.services(name, signal)
  if (services.type !== 'found') return services
  const { found } = services
  const asked = found.map(({ target }) => resolver.addresses(target, family, signal))
  const outcomes = await Promise.all(asked)
  const failed = outcomes.find((outcome) => outcome.type === 'failed')
  if (failed !== undefined) return failed
  const ttlMs = Math.min(services.ttlMs, ...outcomes.map(ttlOf))
  const areEqual = found.every(({ weight }) => weight === 0)
  const endpoints = outcomes.flatMap((outcome, at) => {
    const service = found[at]
    if (outcome.type !== 'found' || service === undefined) return []
    return outcome.found.map((host) => endpointOf(service, host, areEqual))
  })
  return endpoints.length === 0 ? { type: 'nothing', ttlMs } : bounded(endpoints, ttlMs)
}

function endpointOf(
  { target, port, weight }: DnsService,
  host: string,
  areEqual: boolean,
): Endpoint {
  // RFC 2782: beside others, weight 0 is a very small chance; with all of them 0 it means nothing.
  return { host, port, weight: areEqual ? 1 : Math.max(1, weight), name: withoutEndDot(target) }
}

function ttlOf(outcome: DnsOutcome<string>): number {
  return outcome.type === 'failed' ? 0 : outcome.ttlMs
}

function withoutEndDot(name: string): string {
  return name.replace(/\.$/, '')
}

async function findOverHttp(
  { url, timeoutMs, list, ttlMsMin }: OptionsOf<'http'>,
  signal: AbortSignal,
): Promise<Finding> {
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
    return findingOf(await getText(url, limit), list, ttlMsMin)
  } catch (error) {
    return { type: 'failed', reason: describeError(error) }
  }
}

async function findInFile({ path, list, ttlMsMin }: OptionsOf<'file'>): Promise<Finding> {
  try {
    const { size } = await stat(path)
    if (size > DISCOVERY_BYTES_MAX) return { type: 'failed', reason: 'the file is too large' }
    return findingOf(await readFile(path, 'utf8'), list, ttlMsMin)
  } catch (error) {
    return { type: 'failed', reason: describeError(error) }
  }
}

function findingOf(text: string, list: ListOptions, ttlMs: number): Finding {
  const read = readEndpointList(text, list)
  if (!read.ok) return { type: 'failed', reason: read.reason }
  const { endpoints } = read
  return endpoints.length === 0 ? { type: 'nothing', ttlMs } : { type: 'found', endpoints, ttlMs }
}

function bounded(endpoints: readonly Endpoint[], ttlMs: number): Finding {
  if (endpoints.length <= TARGETS_PER_UPSTREAM_MAX) return { type: 'found', endpoints, ttlMs }
  const reason = `more than ${TARGETS_PER_UPSTREAM_MAX} addresses (TARGETS_PER_UPSTREAM_MAX)`
  return { type: 'failed', reason }
}
