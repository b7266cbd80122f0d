import { ROUTE_CHECK_MS } from '../shared/limits.ts'
import { isUnchanged, matchRoute, type RoutingTable } from '../shared/routing/table.ts'
import type { CompiledRoute } from '../shared/routing/types.ts'
import type { CurrentTable } from './config/current-table.ts'
import type { Deadline, Deadlines } from './deadlines.ts'
import type { RequestContext } from './request-context.ts'

/** A request that takes long: a stream of events, a tunnel, a large body. */
export type RouteHolder = {
  /** Its route is gone, and so is the time it had to end by itself. Once; it is not held any more. */
  onRouteGone(): void
}

/** What is known of it: the route that it began with, and goes on with whatever config comes, and the upstream. */
type Held = Pick<RequestContext, 'exchange' | 'route' | 'upstream'>

/** One that is held. */
type Hold = {
  readonly context: Held
  /** What stands for its route in the newest table that was looked at. */
  route: CompiledRoute | null
  /** Infinite while its route is there. */
  endsAtMs: number
  /** Its route may have gone between its first byte and the moment from which it is held. */
  isNew: boolean
}

/**
 * Requests that take longer than a read, and the routes that they began with. A change of the config leaves them alone, unless
 * it takes their route away: it is gone when a request like theirs would not come to the same upstream any more.
 * They have `drainMs` then, and go on as if nothing had been if the route comes back meanwhile. Looked at every
 * ROUTE_CHECK_MS, and only what a change may have touched.
 */
export class HeldRoutes {
  readonly #current: CurrentTable
  readonly #drainMs: number
  readonly #deadlines: Deadlines
  readonly #deadline: Deadline
  readonly #holds = new Map<RouteHolder, Hold>()
  #table: RoutingTable

  constructor(
    current: CurrentTable,
    parts: { readonly deadlines: Deadlines; readonly drainMs: number },
  ) {
    this.#current = current
    this.#drainMs = parts.drainMs
    this.#deadlines = parts.deadlines
    this.#deadline = parts.deadlines.create(this)
    this.#table = current.table
  }

  /** Requests that are held; for tests and figures. */
  get count(): number {
    return this.#holds.size
  }

  hold(holder: RouteHolder, context: Held): void {
    if (this.#holds.size === 0) this.#deadline.set(ROUTE_CHECK_MS)
    this.#holds.set(holder, {
      context,
      route: context.route,
      endsAtMs: Number.POSITIVE_INFINITY,
      isNew: true,
    })
  }

  release(holder: RouteHolder): void {
    this.#holds.delete(holder)
  }

  onDeadline(): void {
    const { table } = this.#current
    const nowMs = this.#deadlines.now()
    const isChanged = table !== this.#table
    this.#table = table
    let nextMs = ROUTE_CHECK_MS
    for (const [holder, hold] of this.#holds) {
      if (isChanged || hold.isNew) this.#look(hold, nowMs)
      if (hold.endsAtMs > nowMs) {
        nextMs = Math.min(nextMs, hold.endsAtMs - nowMs)
        continue
      }
      this.#holds.delete(holder)
      holder.onRouteGone()
    }
    if (this.#holds.size > 0) this.#deadline.set(nextMs)
  }

  #look(hold: Hold, nowMs: number): void {
    hold.isNew = false
    if (hold.route !== null && isUnchanged(this.#table, hold.route)) return
    const route = matchRoute(this.#table, hold.context.exchange)
    if (route !== null && leadsTo(route, hold.context.upstream?.key)) {
      hold.route = route
      hold.endsAtMs = Number.POSITIVE_INFINITY
    } else if (hold.endsAtMs === Number.POSITIVE_INFINITY) {
      hold.endsAtMs = nowMs + this.#drainMs
    }
  }
}

function leadsTo({ upstreamKey, split }: CompiledRoute, key: string | undefined): boolean {
  return (
    upstreamKey === key || split?.branches.some((branch) => branch.upstreamKey === key) === true
  )
}
