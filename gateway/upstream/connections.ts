import type { CompiledTarget, CompiledUpstream } from '../../shared/routing/types.ts'
import type { Deadlines } from '../deadlines.ts'
import { EitherPool } from './either-pool.ts'
import { TargetPool } from './target-pool.ts'
import type {
  UpstreamCall,
  UpstreamConnection,
  UpstreamConnections,
  UpstreamHandler,
  UpstreamRequest,
} from './upstream-connection.ts'

/** The connections of this thread to one target, whatever is spoken on them. */
type Pool = {
  call(request: UpstreamRequest, handler: UpstreamHandler): UpstreamCall
  /** Takes no further calls; those under way are finished. */
  close(): void
}

type SharedPool = {
  readonly key: string
  readonly pool: Pool
  /** Connections that were opened and not released. The pool closes at 0. */
  users: number
}

/** Connections to targets, over HTTP/1.1 or HTTP/2 as their upstream says: one pool for each address with the same settings. */
export class Connections implements UpstreamConnections {
  readonly #deadlines: Deadlines
  readonly #pools = new Map<string, SharedPool>()
  /** Pools that finish their last calls. */
  readonly #closing = new Set<Pool>()
  #whenClosed: (() => void) | null = null

  constructor(deadlines: Deadlines) {
    this.#deadlines = deadlines
  }

  open(target: CompiledTarget, upstream: CompiledUpstream): UpstreamConnection {
    const { protocol, connectMs, connectionsMax, keepAliveMs } = upstream
    const { origin, serverName } = target
    const tls = upstream.tls === null ? '' : JSON.stringify(upstream.tls)
    const key = `${protocol} ${origin} ${serverName} ${connectMs} ${connectionsMax} ${keepAliveMs} ${tls}`
    const shared = this.#pools.get(key) ?? this.#makePool(key, target, upstream)
    shared.users += 1
    return {
      call: (request, handler) => shared.pool.call(request, handler),
      release: () => this.#release(shared),
    }
  }

  close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#whenClosed = resolve
    for (const shared of this.#pools.values()) this.#closePool(shared)
    this.#pools.clear()
    if (this.#closing.size === 0) resolve()
    return promise
  }

  /** Pools that are open; for tests and figures. */
  get count(): number {
    return this.#pools.size
  }

  #makePool(key: string, target: CompiledTarget, upstream: CompiledUpstream): SharedPool {
    const parts = {
      deadlines: this.#deadlines,
      onEmpty: () => this.#onEmpty(pool),
      onUnreachable: () => {},
    }
    const pool: Pool =
      upstream.protocol === 'http2' || (upstream.protocol === 'auto' && target.isTls)
        ? new EitherPool(target, upstream, parts)
        : new TargetPool(target, upstream, parts)
    const shared = { key, pool, users: 0 }
    this.#pools.set(key, shared)
    return shared
  }

  #release(shared: SharedPool): void {
    shared.users -= 1
    if (shared.users > 0) return
    if (this.#pools.get(shared.key) === shared) this.#pools.delete(shared.key)
    this.#closePool(shared)
  }

  #closePool({ pool }: SharedPool): void {
    this.#closing.add(pool)
    pool.close()
  }

  #onEmpty(pool: Pool): void {
    this.#closing.delete(pool)
    if (this.#closing.size === 0) this.#whenClosed?.()
  }
}
