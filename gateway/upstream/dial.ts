import { connect as connectTcp, type OnReadOpts, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import type { CompiledTarget } from '../../shared/routing/types.ts'
import type { TlsSource } from './target-tls.ts'

/** How a connection to a target is made. */
export type DialOptions = {
  /** Reads go to this memory and function instead of `data` events. Null: a stream like any other. */
  readonly onread: OnReadOpts | null
  /** A TLS session that an earlier connection to the target left. */
  readonly session: Buffer | null
  readonly tls: TlsSource
  /** What may be spoken on it, as ALPN names it, the preferred first. */
  readonly protocols: readonly ('http/1.1' | 'h2')[]
}

/**
 * Begins a connection to a target; `connect` or `secureConnect` (`readyEvent`) says that it stands. A TLS target must prove
 * that it is the one it is known as, and is asked for by that name, whatever Host the client sent. Throws like `TlsSource`.
 */
export function dial(
  target: CompiledTarget,
  { onread, session, tls, protocols }: DialOptions,
): Socket {
  const { host, port } = target
  const common = {
    host,
    port,
    noDelay: true,
    keepAlive: true,
    allowHalfOpen: onread === null,
    ...(onread === null ? {} : { onread }),
  }
  if (!target.isTls) return connectTcp(common)
  const options: ConnectionOptions = {
    ...common,
    ALPNProtocols: [...protocols],
    ...tls.get(),
    ...(session === null ? {} : { session }),
  }
  return connectTls(options)
}

/** The event that says that a connection to a target stands. */
export function readyEvent(target: CompiledTarget): 'connect' | 'secureConnect' {
  return target.isTls ? 'secureConnect' : 'connect'
}
