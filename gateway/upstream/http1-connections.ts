import type { CompiledTarget, CompiledUpstream } from '../../shared/routing/types.ts'
import type { Deadlines } from '../deadlines.ts'
import { Http1Call } from './http1-call.ts'
import { TargetPool } from './target-pool.ts'
import type { UpstreamConnection, UpstreamConnections } from './upstream-connection.ts'

type SharedPool = {
  readonly key: string
  readonly pool: TargetPool
  /** Connections that were opened and not released. The pool closes at 0. */
  users: number
}

/** Connections to targets over HTTP/1.1: one pool for each address with the same settings. */
export class Http1Connections implements UpstreamConnections {
  readonly #deadlines: Deadlines
  readonly #pools = new Map<string, SharedPool>()
  /** Pools that finish their last calls. */
  readonly #closing = new Set<TargetPool>()
  #whenClosed: (() => void) | null = null

  constructor(deadlines: Deadlines) {
    this.#deadlines = deadlines
  }

  open(target: CompiledTarget, upstream: CompiledUpstream): UpstreamConnection {
    const { connectMs, connectionsMax, keepAliveMs } = upstream
    const { origin, serverName } = target
    const tls = upstream.tls === null ? '' : JSON.stringify(upstream.tls)
    const key = `${origin} ${serverName} ${connectMs} ${connectionsMax} ${keepAliveMs} ${tls}`
    const shared = this.#pools.get(key) ?? this.#makePool(key, target, upstream)
    shared.users += 1
    return {
      call: (request, handler) => new Http1Call(shared.pool, request, handler),
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
    const pool = new TargetPool(target, upstream, {
      deadlines: this.#deadlines,
      onEmpty: () => this.#onEmpty(pool),
    })
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

  #onEmpty(pool: TargetPool): void {
    this.#closing.delete(pool)
    if (this.#closing.size === 0) this.#whenClosed?.()
  }
}
