import type { TargetSpec, UpstreamSpec } from '../definitions/upstream.ts'
import {
  CONNECT_MS_DEFAULT,
  CONNECTIONS_PER_TARGET_DEFAULT,
  FIRST_BYTE_MS_DEFAULT,
  KEEP_ALIVE_MS_DEFAULT,
  RETRIES_DEFAULT,
  UPSTREAM_IDLE_MS_DEFAULT,
} from '../limits.ts'
import type { CompiledTarget, CompiledUpstream } from './types.ts'

/** An upstream ready to be used. Cannot fail: the schema has checked every url. */
export function compileUpstream(key: string, spec: UpstreamSpec): CompiledUpstream {
  return {
    key,
    balance: spec.balance ?? 'round-robin',
    targets: spec.targets.map(compileTarget),
    connectMs: spec.timeouts?.connectMs ?? CONNECT_MS_DEFAULT,
    firstByteMs: spec.timeouts?.firstByteMs ?? FIRST_BYTE_MS_DEFAULT,
    idleMs: spec.timeouts?.idleMs ?? UPSTREAM_IDLE_MS_DEFAULT,
    retries: spec.retries?.attempts ?? RETRIES_DEFAULT,
    connectionsMax: spec.keepAlive?.connectionsMax ?? CONNECTIONS_PER_TARGET_DEFAULT,
    keepAliveMs: spec.keepAlive?.idleMs ?? KEEP_ALIVE_MS_DEFAULT,
    hostHeader: spec.hostHeader ?? 'client',
    spec,
  }
}

function compileTarget(target: TargetSpec): CompiledTarget {
  const url = new URL(target.url)
  const isTls = url.protocol === 'https:'
  return {
    origin: url.origin,
    isTls,
    // An IPv6 address has brackets in a url, but not where connections are made.
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? (isTls ? 443 : 80) : Number(url.port),
    authority: url.host,
    weight: target.weight ?? 1,
  }
}
