import { TARGET_WEIGHT_MAX, TARGETS_PER_UPSTREAM_MAX } from '../../shared/limits.ts'
import type { ListOptions } from '../../shared/routing/types.ts'
import type { Endpoint } from './known-endpoints.ts'

export type ReadList =
  | { readonly ok: true; readonly endpoints: readonly Endpoint[] }
  | { readonly ok: false; readonly reason: string }

/**
 * Reads a list of endpoints out of JSON text. An item is text (`host:port` or a url) or an object in which host, port and
 * weight lie where the options say. One item that cannot be read makes the whole list no good: half of the targets is
 * what no one meant. Reasons tell places, never what stood there.
 */
export function readEndpointList(text: string, options: ListOptions): ReadList {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    return { ok: false, reason: 'not JSON' }
  }
  const list = valueAt(document, options.list)
  if (!Array.isArray(list)) return { ok: false, reason: `no list at "${options.list.join('.')}"` }
  if (list.length > TARGETS_PER_UPSTREAM_MAX) {
    const reason = `more than ${TARGETS_PER_UPSTREAM_MAX} items (TARGETS_PER_UPSTREAM_MAX)`
    return { ok: false, reason }
  }
  const endpoints: Endpoint[] = []
  for (const [at, item] of list.entries()) {
    const endpoint = endpointOf(item, options)
    if (endpoint === null) return { ok: false, reason: `item ${at} has no host and port` }
    endpoints.push(endpoint)
  }
  return { ok: true, endpoints }
}

function endpointOf(item: unknown, options: ListOptions): Endpoint | null {
  if (typeof item === 'string') return endpointOfText(item, 1, options.portDefault)
  const host = valueAt(item, options.host)
  const weight = weightOf(valueAt(item, options.weight))
  if (typeof host !== 'string' || host === '' || weight === null) return null
  const port = valueAt(item, options.port)
  if (port === undefined || port === null) return endpointOfText(host, weight, options.portDefault)
  const number = typeof port === 'string' ? Number(port) : port
  if (typeof number !== 'number' || !Number.isInteger(number)) return null
  return endpointOfText(host, weight, number)
}

/** `host`, `host:port`, `[::1]:port`, a bare IPv6 address, or a url whose scheme is left out of account. */
function endpointOfText(text: string, weight: number, portDefault: number | null): Endpoint | null {
  const isBareIpv6 = text.split(':').length > 2 && !text.includes('[') && !text.includes('/')
  const authority = isBareIpv6 ? `[${text}]` : text.replace(/^[a-z]+:\/\//i, '')
  const url = URL.parse(`x://${authority}`)
  if (url === null || url.hostname === '' || url.username !== '') return null
  const isBare = (url.pathname === '' || url.pathname === '/') && url.search === ''
  const port = url.port === '' ? portDefault : Number(url.port)
  if (!isBare || port === null || port < 1 || port > 65_535) return null
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1').toLowerCase()
  return /^[a-z0-9._:-]+$/.test(host) ? { host, port, weight, name: null } : null
}

function weightOf(value: unknown): number | null {
  if (value === undefined || value === null) return 1
  const number = typeof value === 'string' ? Number(value) : value
  if (typeof number !== 'number' || !Number.isFinite(number) || number < 0) return null
  return Math.min(Math.round(number), TARGET_WEIGHT_MAX)
}

/** What lies at a path of member names; an empty path is the whole. */
function valueAt(value: unknown, path: readonly string[]): unknown {
  let here = value
  for (const name of path) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, name)) return undefined
    here = (here as Readonly<Record<string, unknown>>)[name]
  }
  return here
}
