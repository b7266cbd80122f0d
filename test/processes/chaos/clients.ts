import { setTimeout as pause } from 'node:timers/promises'
import { Random } from '../../../shared/random.ts'
import type { Ending, HistoryRecorder } from '../../checkers/history.ts'
import { ApiClient, type Call, type Outcome } from './calls.ts'

/** Attempts of one write under one idempotency key. */
const ATTEMPTS_MAX = 4
const RETRY_PAUSE_MS = 50

export type ClientsOptions = {
  readonly places: readonly { readonly name: string; readonly url: string }[]
  readonly count: number
  readonly keys: readonly string[]
  readonly seed: number
  readonly recorder: HistoryRecorder
  /** Most milliseconds that a client waits between two calls. */
  readonly pauseMs: number
}

/** Clients that read and write a few keys on all nodes, each one thing at a time, until stopped. */
export class Clients {
  readonly #options: ClientsOptions
  readonly #api = new ApiClient()
  readonly #runs: Promise<void>[]
  #isStopped = false
  #processes: number
  /** What contradicts the documents at once, beside what the checkers find in the history. */
  readonly problems: string[] = []
  /** When writes were acknowledged, by performance.now(). */
  readonly acknowledgedMs: number[] = []

  constructor(options: ClientsOptions) {
    this.#options = options
    this.#processes = options.count
    this.#runs = Array.from({ length: options.count }, (_, at) => this.#run(at))
  }

  /** Lets every client end what it is doing. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await Promise.all(this.#runs)
    await this.#api.close()
  }

  async #run(at: number): Promise<void> {
    const { seed, keys, pauseMs } = this.#options
    const random = new Random(seed + 7_919 * (at + 1))
    /** What this client believes to stand. */
    const seen = new Map<string, number>()
    let process = at
    for (let count = 0; !this.#isStopped; count++) {
      const key = keys[random.below(keys.length)] ?? ''
      const call = this.#choose(random, key, seen.get(key), `${process}-${count}`)
      const outcome = await this.#carryOut(process, call, random)
      if (outcome.type === 'ok') seen.set(key, call.op === 'delete' ? 0 : outcome.revision)
      if (outcome.type === 'refused' && outcome.current !== null) seen.set(key, outcome.current)
      // Whoever does not know how its write ended is of no use any more: it may still be under way.
      if (outcome.type === 'unknown' && call.op !== 'get') process = this.#processes++
      if (pauseMs > 0) await pause(random.below(pauseMs))
    }
  }

  #choose(random: Random, key: string, seen: number | undefined, value: string): Call {
    const dice = random.below(100)
    if (dice < 40) return { op: 'get', key }
    const idempotencyKey = random.below(100) < 60 ? `key-${value}` : null
    const ifRevision = seen !== undefined && dice >= 65 ? seen : null
    if (dice >= 90 && ifRevision !== 0)
      return { op: 'delete', key, value: null, ifRevision, idempotencyKey }
    if (ifRevision === null) return { op: 'put', key, value, ifRevision, idempotencyKey }
    return { op: 'cas', key, value, ifRevision, idempotencyKey }
  }

  async #carryOut(process: number, call: Call, random: Random): Promise<Outcome> {
    const { op, key } = call
    const value = op === 'get' ? null : call.value
    const guard = op === 'get' || call.ifRevision === null ? {} : { ifRevision: call.ifRevision }
    const ending = this.#options.recorder.invoke({ process, op, key, value, ...guard })
    const outcome = await this.#attempts(call, random)
    // A read that was not answered has happened to nobody.
    if (op === 'get' && outcome.type === 'unknown') ending.fail(null, outcome.code)
    else tell(ending, outcome)
    if (outcome.type === 'ok' && op !== 'get') {
      this.acknowledgedMs.push(performance.now())
      if (call.idempotencyKey !== null && random.below(10) === 0)
        await this.#repeat(call, outcome, random)
    }
    return outcome
  }

  /** A read is asked once. A write with a key is asked again, elsewhere, while it may not have happened. */
  async #attempts(call: Call, random: Random): Promise<Outcome> {
    let isUncertain = false
    const mayRepeat = call.op !== 'get' && call.idempotencyKey !== null
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#api.attempt(this.#pick(random), call)
      if (outcome.type === 'ok') return outcome
      isUncertain ||= outcome.type === 'unknown'
      const isFinal = outcome.type === 'refused' && outcome.current !== null
      if (!mayRepeat || isFinal || attempt === ATTEMPTS_MAX) {
        return isUncertain ? { type: 'unknown', code: outcome.code } : outcome
      }
      await pause(RETRY_PAUSE_MS)
    }
  }

  /** Asked once more under the same key, it happens no second time: the answer is the first one. */
  async #repeat(call: Call, first: Outcome & { type: 'ok' }, random: Random): Promise<void> {
    const again = await this.#api.attempt(this.#pick(random), call)
    const isSame = again.type === 'ok' && again.revision === first.revision
    if (isSame || again.type === 'unknown') return
    if (
      again.type === 'refused' &&
      again.current === null &&
      again.code !== 'IDEMPOTENCY_KEY_REUSED'
    )
      return
    this.problems.push(
      `${JSON.stringify(call)} was acknowledged as revision ${first.revision}, and repeated it gave ${JSON.stringify(again)}`,
    )
  }

  #pick(random: Random): string {
    const { places } = this.#options
    return places[random.below(places.length)]?.url ?? ''
  }
}

function tell(ending: Ending, outcome: Outcome): void {
  switch (outcome.type) {
    case 'ok':
      return ending.ok({
        value: outcome.value,
        revision: outcome.revision === 0 ? null : outcome.revision,
      })
    case 'refused':
      return ending.fail(outcome.current, outcome.code)
    case 'unknown':
      return ending.info(outcome.code)
  }
}
