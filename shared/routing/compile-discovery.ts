import type { DiscoverSpec } from '../definitions/discovery.ts'
import {
  DISCOVERY_FILE_MS_DEFAULT,
  DISCOVERY_HTTP_MS_DEFAULT,
  DISCOVERY_TIMEOUT_MS_DEFAULT,
  DNS_TTL_MS_MIN_DEFAULT,
} from '../limits.ts'
import type { CompiledTarget, DiscoveryOptions, ListOptions } from './types.ts'

/** Where targets are found, with defaults; null for an upstream whose targets are written down. */
export function compileDiscovery(spec: DiscoverSpec | undefined): DiscoveryOptions | null {
  if (spec === undefined) return null
  const isTls = spec.scheme === 'https'
  const portDefault = spec.port ?? (isTls ? 443 : 80)
  const { dns, http, file } = spec
  if (dns !== undefined) {
    return {
      type: 'dns',
      isTls,
      portDefault,
      ttlMsMin: dns.ttlMsMin ?? DNS_TTL_MS_MIN_DEFAULT,
      name: dns.name,
      isService: dns.type === 'srv',
      server: dns.server === undefined ? null : serverOf(dns.server),
      family: dns.family ?? 'any',
    }
  }
  if (http !== undefined) {
    return {
      type: 'http',
      isTls,
      portDefault,
      ttlMsMin: http.intervalMs ?? DISCOVERY_HTTP_MS_DEFAULT,
      url: http.url,
      timeoutMs: http.timeoutMs ?? DISCOVERY_TIMEOUT_MS_DEFAULT,
      list: compileList(http, portDefault),
    }
  }
  return {
    type: 'file',
    isTls,
    portDefault,
    ttlMsMin: file?.intervalMs ?? DISCOVERY_FILE_MS_DEFAULT,
    path: file?.path ?? '',
    list: compileList(file ?? {}, portDefault),
  }
}

function compileList(
  spec: Pick<NonNullable<DiscoverSpec['http']>, 'list' | 'hostField' | 'portField' | 'weightField'>,
  portDefault: number,
): ListOptions {
  return {
    list: namesOf(spec.list ?? ''),
    host: namesOf(spec.hostField ?? 'host'),
    port: namesOf(spec.portField ?? 'port'),
    weight: namesOf(spec.weightField ?? 'weight'),
    portDefault,
  }
}

function namesOf(path: string): readonly string[] {
  return path === '' ? [] : path.split('.')
}

function serverOf(text: string): { readonly host: string; readonly port: number } {
  const at = text.lastIndexOf(':')
  const host = text.slice(0, at).replace(/^\[(.*)\]$/, '$1')
  return { host, port: Number(text.slice(at + 1)) }
}

/** The target that something found stands for. Connections go to `host`; it is known as `name`. */
export function discoveredTarget(
  found: {
    readonly host: string
    readonly port: number
    readonly weight: number
    readonly name: string | null
  },
  isTls: boolean,
): CompiledTarget {
  const { host, port, weight, name } = found
  const scheme = isTls ? 'https' : 'http'
  return {
    origin: `${scheme}://${authorityOf(host, port, isTls)}`,
    isTls,
    host,
    port,
    serverName: name ?? host,
    authority: authorityOf(name ?? host, port, isTls),
    weight,
  }
}

function authorityOf(host: string, port: number, isTls: boolean): string {
  const bracketed = host.includes(':') ? `[${host}]` : host
  return port === (isTls ? 443 : 80) ? bracketed : `${bracketed}:${port}`
}
