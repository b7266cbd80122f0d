import type { Random } from '../../shared/random.ts'
import type { CompiledTarget, CompiledUpstream } from '../../shared/routing/types.ts'
import { sameJson } from '../../shared/routing/same-json.ts'
import { discoveredTarget } from '../../shared/routing/compile-discovery.ts'
import type { Discover, Discovery } from '../discovery/discovery.ts'
import { hashText } from './balance.ts'
import { Breaker } from './breaker.ts'
import type { WatchTargets } from './health-checks.ts'
import { RetryBudget } from './retry-budget.ts'
import { Selector, type HealthCandidate } from './selector.ts'
import { LONG_AGO, newTargetState } from './target-state.ts'
import type { UpstreamConnection, UpstreamConnections } from './upstream-connection.ts'

/** One target of one upstream as it lives. Its state survives every swap that keeps the target. */
export type LiveTarget = HealthCandidate & {
  readonly target: CompiledTarget
  readonly connection: UpstreamConnection
  fullWeight: number
}

/** An upstream as it lives. Made anew when its definition or its targets change, from the same states. */
export type LiveUpstream = {
  readonly compiled: CompiledUpstream
  readonly targets: readonly LiveTarget[]
  readonly selector: Selector<LiveTarget>
  /** Both survive as long as their options stay the same; null where there are none. */
  readonly breaker: Breaker | null
  readonly budget: RetryBudget | null
  /** What clients with sticky sessions say; empty without these. */
  readonly byToken: ReadonlyMap<string, LiveTarget>
  /** Copies of requests; survives every change. */
  readonly mirroring: Mirroring
  /** Looks for the targets; survives as long as its options stay the same. Null: they are written down. */
  readonly discovery: Discovery | null
  /** Requests that hold it. 0 ≤ users. */
  users: number
  /** Another has taken its place; it ends with its last user. */
  isRetired: boolean
  /** Ends active checks; null where there are none. */
  stopChecks: (() => void) | null
}

/** Copies that are under way to an upstream, and those that were given up or never made. */
type Mirroring = { underWay: number; dropped: number }

/** What live upstreams take from the worker around them. */
export type LiveParts = {
  readonly random: Random
  /** Milliseconds from any fixed moment. */
  readonly now: () => number
  readonly watchTargets: WatchTargets
  readonly discover: Discover
}

/**
 * What is alive of upstreams: calls under way, turns, health, connections. Belongs to the worker, never to a table. An
 * upstream comes to life with its first request, so that a hundred thousand unused ones cost nothing; one that is checked,
 * as soon as it is adopted.
 */
export class LiveUpstreams {
  readonly #connections: UpstreamConnections
  readonly #parts: LiveParts
  readonly #live = new Map<string, LiveUpstream>()

  constructor(connections: UpstreamConnections, parts: LiveParts) {
    this.#connections = connections
    this.#parts = parts
  }

  /** The live form of an upstream for one request, which gives it back with `release`. */
  acquire(compiled: CompiledUpstream): LiveUpstream {
    const live = this.#live.get(compiled.key) ?? this.#bringToLife(compiled, null)
    live.users += 1
    return live
  }

  release(live: LiveUpstream): void {
    live.users -= 1
    if (live.isRetired && live.users === 0) this.#close(live)
  }

  /** A change gave `key` a form, in which it lives from now on, or took it away: null. In the tick of the swap. */
  adopt(key: string, compiled: CompiledUpstream | null): void {
    const old = this.#live.get(key)
    const next = compiled === null ? null : this.#bringToLife(compiled, old ?? null)
    if (next === null) this.#live.delete(key)
    if (old !== undefined) this.#retire(old, next)
  }

  /** The form that has taken the place of one that a request holds: it is held instead. The same if there is none. */
  renew(held: LiveUpstream): LiveUpstream {
    const newest = this.#live.get(held.compiled.key)
    if (newest === undefined) return held
    newest.users += 1
    this.release(held)
    return newest
  }

  /** Whether an upstream is alive: only then is there anything that a change must be told to. */
  has(key: string): boolean {
    return this.#live.has(key)
  }

  /** Upstreams that are alive, the first to come to life first. */
  all(): Iterable<LiveUpstream> {
    return this.#live.values()
  }

  /** How many are alive. */
  get count(): number {
    return this.#live.size
  }

  /** No further request comes: nothing is watched any more. */
  close(): void {
    for (const live of this.#live.values()) {
      stopWatching(live)
      live.discovery?.stop()
    }
  }

  #bringToLife(compiled: CompiledUpstream, old: LiveUpstream | null): LiveUpstream {
    const discovery = this.#discoveryFor(compiled, old)
    const byOrigin = new Map<string, LiveTarget>()
    for (const target of targetsOf(compiled, discovery)) {
      const same = byOrigin.get(target.origin)
      // The same address twice is one target with the sum of the weights.
      if (same !== undefined) same.fullWeight += target.weight
      else byOrigin.set(target.origin, this.#liveTarget(compiled, target, old))
    }
    const targets = [...byOrigin.values()]
    const { random, watchTargets } = this.#parts
    const selector = new Selector(compiled, targets, random)
    const live: LiveUpstream = {
      compiled,
      targets,
      selector,
      breaker: breakerFor(compiled, old),
      budget: budgetFor(compiled, old, this.#parts.now()),
      byToken: new Map(
        compiled.sticky === null ? [] : targets.map((target) => [tokenOf(target), target]),
      ),
      mirroring: old?.mirroring ?? { underWay: 0, dropped: 0 },
      discovery,
      users: 0,
      isRetired: false,
      stopChecks: null,
    }
    this.#live.set(compiled.key, live)
    if (compiled.health.active !== null) live.stopChecks = watchTargets(live)
    return live
  }

  #liveTarget(
    compiled: CompiledUpstream,
    target: CompiledTarget,
    old: LiveUpstream | null,
  ): LiveTarget {
    const before = old?.targets.find((live) => live.target.origin === target.origin)
    // One that joins others which serve already starts slowly, where that is asked for.
    const upSinceMs = old === null ? LONG_AGO : this.#parts.now()
    return {
      target,
      connection: this.#connections.open(target, compiled),
      fullWeight: target.weight,
      weight: target.weight,
      seed: hashText(target.origin),
      state: before?.state ?? newTargetState(upSinceMs),
    }
  }

  #discoveryFor(compiled: CompiledUpstream, old: LiveUpstream | null): Discovery | null {
    const options = compiled.discovery
    if (options === null) return null
    const before = old?.discovery ?? null
    if (before !== null && sameJson(before.options, options)) return before
    const begun = this.#parts.discover(options, () => this.#retarget(compiled.key, begun))
    return begun
  }

  /** Other targets were found: what is known of those that stay, stays. Calls to those that go are finished. */
  #retarget(key: string, discovery: Discovery): void {
    const old = this.#live.get(key)
    if (old === undefined || old.discovery !== discovery) return
    this.#retire(old, this.#bringToLife(old.compiled, old))
  }

  #retire(live: LiveUpstream, next: LiveUpstream | null): void {
    live.isRetired = true
    if (live.discovery !== null && live.discovery !== next?.discovery) live.discovery.stop()
    live.selector.retire()
    stopWatching(live)
    if (live.users === 0) this.#close(live)
  }

  #close(live: LiveUpstream): void {
    for (const target of live.targets) target.connection.release()
  }
}

/** What was found, or while that is nothing, what is written down. */
function targetsOf(
  compiled: CompiledUpstream,
  discovery: Discovery | null,
): readonly CompiledTarget[] {
  const endpoints = discovery?.endpoints ?? []
  if (discovery === null || endpoints.length === 0) return compiled.targets
  return endpoints.map((endpoint) => discoveredTarget(endpoint, discovery.options.isTls))
}

/** What stands for a target with clients: the same on every gateway, and no address. */
export function tokenOf({ seed }: LiveTarget): string {
  return seed.toString(36)
}

function breakerFor({ breaker }: CompiledUpstream, old: LiveUpstream | null): Breaker | null {
  if (breaker === null) return null
  const before = old?.breaker ?? null
  return before !== null && sameJson(before.options, breaker) ? before : new Breaker(breaker)
}

function budgetFor(
  { retry }: CompiledUpstream,
  old: LiveUpstream | null,
  nowMs: number,
): RetryBudget | null {
  if (retry.budget === null) return null
  const before = old?.budget ?? null
  const isSame = before !== null && sameJson(before.options, retry.budget)
  return isSame ? before : new RetryBudget(retry.budget, nowMs)
}

function stopWatching(live: LiveUpstream): void {
  live.stopChecks?.()
  live.stopChecks = null
}
