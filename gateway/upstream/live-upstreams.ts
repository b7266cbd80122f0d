import type { CompiledTarget, CompiledUpstream } from '../../shared/routing/types.ts'
import { hashText, type Candidate } from './balance.ts'
import type { UpstreamConnection, UpstreamConnections } from './upstream-connection.ts'

/** One target of one upstream as it lives: survives every swap that keeps it. */
export type LiveTarget = Candidate & {
  readonly target: CompiledTarget
  readonly connection: UpstreamConnection
  weight: number
}

/** An upstream as it lives. Made anew when its definition changes, from the same live targets. */
export type LiveUpstream = {
  readonly compiled: CompiledUpstream
  readonly targets: readonly LiveTarget[]
  /** Requests that hold it. 0 ≤ users. */
  users: number
  /** Another has taken its place; it ends with its last user. */
  isRetired: boolean
}

/**
 * What is alive of upstreams: calls under way, turns, connections. Belongs to the worker, never to a table. An upstream
 * comes to life with its first request, so that a hundred thousand unused ones cost nothing.
 */
export class LiveUpstreams {
  readonly #connections: UpstreamConnections
  readonly #live = new Map<string, LiveUpstream>()

  constructor(connections: UpstreamConnections) {
    this.#connections = connections
  }

  /** The live form of an upstream for one request, which gives it back with `release`. */
  acquire(compiled: CompiledUpstream): LiveUpstream {
    let live = this.#live.get(compiled.key)
    if (live === undefined) {
      live = this.#bringToLife(compiled, null)
      this.#live.set(compiled.key, live)
    }
    live.users += 1
    return live
  }

  release(live: LiveUpstream): void {
    live.users -= 1
    if (live.isRetired && live.users === 0) this.#close(live)
  }

  /** A change gave `key` another form, or took it away: null. In the tick of the swap. */
  adopt(key: string, compiled: CompiledUpstream | null): void {
    const old = this.#live.get(key)
    if (old === undefined) return
    this.#live.delete(key)
    if (compiled !== null) this.#live.set(key, this.#bringToLife(compiled, old))
    old.isRetired = true
    if (old.users === 0) this.#close(old)
  }

  /** Whether an upstream has served a request: only then is there anything that a change must be told to. */
  has(key: string): boolean {
    return this.#live.has(key)
  }

  /** Upstreams that have served a request and still stand. */
  get count(): number {
    return this.#live.size
  }

  #bringToLife(compiled: CompiledUpstream, old: LiveUpstream | null): LiveUpstream {
    const targets = new Map<string, LiveTarget>()
    for (const target of compiled.targets) {
      const same = targets.get(target.origin)
      // The same address twice is one target with the sum of the weights.
      if (same !== undefined) same.weight += target.weight
      else targets.set(target.origin, this.#liveTarget(compiled, target, old))
    }
    return { compiled, targets: [...targets.values()], users: 0, isRetired: false }
  }

  #liveTarget(
    compiled: CompiledUpstream,
    target: CompiledTarget,
    old: LiveUpstream | null,
  ): LiveTarget {
    const before = old?.targets.find((live) => live.target.origin === target.origin)
    return {
      target,
      connection: this.#connections.open(target, compiled),
      weight: target.weight,
      seed: hashText(target.origin),
      traffic: before?.traffic ?? { inFlight: 0, credit: 0 },
    }
  }

  #close(live: LiveUpstream): void {
    for (const target of live.targets) target.connection.release()
  }
}
