import type { ConcurrencyLimitOptions } from '../../shared/plugins/concurrency-limit.ts'
import { CONCURRENT_LOOK_MS } from '../../shared/limits.ts'
import type { Counters } from '../limits/counters.ts'
import { KeyHash } from '../limits/key-hash.ts'
import type { Rule } from '../limits/rules.ts'
import { errorReply, type Reply } from '../reply.ts'
import type { RequestContext } from '../request-context.ts'
import type { Check, PluginParts } from './plugin.ts'

const OVERLOADED = errorReply('OVERLOADED', 'too many requests are under way')

/** A request that waits until another one ends. */
type Waiting = {
  readonly context: RequestContext
  readonly resolve: (reply: Reply | undefined) => void
  readonly stopTimer: () => void
}

/**
 * Lets so many requests be under way at once: what is beyond waits, as far as the queue goes, or is 503 OVERLOADED. Counts in
 * memory that all workers share; without room for the counter, requests pass.
 */
export function concurrencyLimit(
  { limit, by = 'upstream', queue: waitingMax = 0, waitMs = 1_000 }: ConcurrencyLimitOptions,
  { counters, epochMs, metrics }: PluginParts,
): Check {
  const rule: Rule = { algorithm: 'concurrency', limit, windowMs: 1, burst: 0 }
  const queues = new Map<string, Queue>()

  return (context) => {
    const place = placeOf(context, by)
    let queue = queues.get(place)
    if (queue === undefined) {
      const key = keyOf(counters, by, place)
      queue = new Queue({
        rule,
        key,
        counters,
        epochMs,
        onUncounted: () => metrics.limitsUncounted(1),
      })
      queues.set(place, queue)
    }
    if (queue.isEmpty && queue.take(context)) return undefined
    if (queue.length >= waitingMax) return OVERLOADED
    return queue.wait(context, waitMs)
  }
}

/** What requests go to that are counted together. */
function placeOf({ route, upstream }: RequestContext, by: 'upstream' | 'route' | 'api'): string {
  if (by === 'upstream') return upstream?.key ?? ''
  return (by === 'route' ? route?.id : route?.api) ?? ''
}

function keyOf(
  { seed }: Counters,
  by: string,
  place: string,
): { readonly a: number; readonly b: number } {
  const hash = new KeyHash()
  hash.start(...seed)
  hash.text('concurrency-limit')
  hash.text(by)
  hash.text(place)
  return { a: hash.a, b: hash.b }
}

type QueueParts = {
  readonly rule: Rule
  readonly key: { readonly a: number; readonly b: number }
  readonly counters: Counters
  readonly epochMs: () => number
  readonly onUncounted: () => void
}

/** Who is under way, and who waits, for one place. */
class Queue {
  readonly #parts: QueueParts
  readonly #waiting: Waiting[] = []
  /** Ends the next look for what other workers have released. */
  #stopLooking: (() => void) | null = null

  constructor(parts: QueueParts) {
    this.#parts = parts
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  get length(): number {
    return this.#waiting.length
  }

  /** Whether a request may go now; then it is counted until it is over. */
  take(context: RequestContext): boolean {
    const { rule, key, counters, epochMs, onUncounted } = this.#parts
    counters.clear()
    counters.want(rule, 1, key, true)
    if (counters.decide(epochMs()) >= 0) return false
    if (counters.uncounted > 0) onUncounted()
    const { hold } = counters.at(0)
    if (hold < 0) return true
    context.whenOver({
      requestOver: () => {
        counters.giveBack(hold)
        this.#goOn()
      },
    })
    return true
  }

  wait(context: RequestContext, waitMs: number): Promise<Reply | undefined> {
    const { promise, resolve } = Promise.withResolvers<Reply | undefined>()
    const stopTimer = context.parts.after(waitMs, () => this.#leave(waiting, OVERLOADED))
    const waiting: Waiting = { context, resolve, stopTimer }
    this.#waiting.push(waiting)
    // Whoever gives up makes room for another.
    context.whenOver({ requestOver: () => this.#leave(waiting, undefined) })
    this.#look(context)
    return promise
  }

  #leave(waiting: Waiting, reply: Reply | undefined): void {
    const at = this.#waiting.indexOf(waiting)
    if (at < 0) return
    this.#waiting.splice(at, 1)
    waiting.stopTimer()
    waiting.resolve(reply)
  }

  /** Lets those go who may by now, in their order. */
  #goOn(): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      if (!this.take(first.context)) return
      this.#leave(first, undefined)
    }
    this.#stopLooking?.()
    this.#stopLooking = null
  }

  /** What ends in another worker tells nobody here. */
  #look({ parts }: RequestContext): void {
    this.#stopLooking ??= parts.after(CONCURRENT_LOOK_MS, () => {
      this.#stopLooking = null
      this.#goOn()
      const [first] = this.#waiting
      if (first !== undefined) this.#look(first.context)
    })
  }
}
