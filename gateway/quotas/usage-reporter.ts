import { randomBytes } from 'node:crypto'
import type { Agent } from 'node:http'
import { describeError } from '../../shared/errors.ts'
import {
  USAGE_ANSWER_MS_MAX,
  USAGE_COUNTS_MAX,
  USAGE_RETRY_MS_MAX,
  USAGE_RETRY_MS_MIN,
} from '../../shared/limits.ts'
import type { Logger } from '../../shared/logger.ts'
import type {
  UsageAnswer,
  UsageCount,
  UsageReport,
  UsageTotal,
} from '../../shared/usage-protocol.ts'
import type { ControlAccess } from '../config/control-access.ts'
import { postJson } from '../config/post-json.ts'
import type { UsageFile } from './usage-file.ts'

const ANSWER_BYTES_MAX = 4 * 1024 * 1024

/** A worker, as far as it is told what became of its counts. */
export type UsageTeller = { learnUsage(totals: readonly UsageTotal[], through: number): void }

/** Counts of workers that go to the cluster together. */
type Gathered = {
  readonly counts: Map<string, UsageCount>
  /** Up to which batch each worker's counts are in it. */
  readonly through: Map<UsageTeller, number>
}

/**
 * Brings what the workers of a gateway count to the control plane, one report after another. A report is sent until it is
 * answered, and counted once: it keeps its number. What could not be told is kept in a file, from which the next start of
 * this gateway goes on.
 */
export class UsageReporter {
  readonly #path: string
  readonly #access: () => ControlAccess | null
  readonly #file: UsageFile
  readonly #logger: Logger
  readonly #source = randomBytes(12).toString('base64url')
  readonly #workers = new Set<UsageTeller>()
  #sequence = 0
  #gathered: Gathered = { counts: new Map(), through: new Map() }
  /** Numbered, and not answered yet; oldest first. */
  #waiting: { readonly report: UsageReport; readonly through: Gathered['through'] | null }[] = []
  #node: { readonly origin: string; readonly agent: Agent } | null = null
  #isSending = false
  #retryMs = USAGE_RETRY_MS_MIN
  #timer: NodeJS.Timeout | null = null
  #whenEmpty: (() => void)[] = []

  constructor(parts: {
    readonly name: string
    /** Null while there is nobody to call. */
    readonly access: () => ControlAccess | null
    readonly file: UsageFile
    readonly logger: Logger
  }) {
    this.#path = `/v1/gateways/${encodeURIComponent(parts.name)}/usage`
    this.#access = parts.access
    this.#file = parts.file
    this.#logger = parts.logger
  }

  /** Takes up what an earlier process could not tell. */
  async open(): Promise<void> {
    for (const report of await this.#file.read()) this.#waiting.push({ report, through: null })
    this.#next()
  }

  /** The node to tell; null while none is known. */
  follow(origin: string | null): void {
    if (origin === this.#node?.origin) return
    this.#node?.agent.destroy()
    const access = this.#access()
    this.#node =
      origin === null || access === null
        ? null
        : { origin, agent: access.agent(origin, { keepAlive: true, maxSockets: 1 }) }
    this.#retryMs = USAGE_RETRY_MS_MIN
    this.#next()
  }

  /** What one worker has counted since its batch before. */
  add(worker: UsageTeller, batch: number, counts: readonly UsageCount[]): void {
    this.#workers.add(worker)
    for (const count of counts) {
      const key = `${count.consumer} ${count.quota} ${count.startMs ?? ''}`
      const known = this.#gathered.counts.get(key)
      const used = (known?.used ?? 0) + count.used
      this.#gathered.counts.set(key, { ...count, used })
    }
    this.#gathered.through.set(worker, batch)
    this.#next()
  }

  /** A worker is gone. What it handed over stays. */
  forget(worker: UsageTeller): void {
    this.#workers.delete(worker)
  }

  /** Tells what is left within `timeoutMs`, and keeps what cannot be told. Nothing may be added any more. */
  async close(timeoutMs: number): Promise<void> {
    this.#next()
    if (this.#node !== null && this.#waiting.length > 0) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#whenEmpty.push(resolve)
      const timer = setTimeout(resolve, timeoutMs)
      await promise
      clearTimeout(timer)
    }
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#node?.agent.destroy()
    this.#node = null
    await this.#keep()
  }

  #next(): void {
    if (this.#isSending || this.#timer !== null) return
    if (this.#waiting.length === 0) this.#number()
    const [first] = this.#waiting
    if (first === undefined) {
      for (const resolve of this.#whenEmpty.splice(0)) resolve()
      return
    }
    if (this.#node === null) return
    this.#isSending = true
    void this.#send(this.#node, first.report).then(
      (answer) => this.#told(answer),
      (error: unknown) => this.#failed(error),
    )
  }

  /** Makes reports of what was gathered; whose counts they are is told with the last of them. */
  #number(): void {
    const { through } = this.#gathered
    const reports = this.#reports()
    if (reports.length === 0) return
    this.#gathered = { counts: new Map(), through: new Map() }
    this.#sequence += reports.length
    for (const [at, report] of reports.entries()) {
      this.#waiting.push({ report, through: at === reports.length - 1 ? through : null })
    }
  }

  /** What was gathered, under the numbers that it will have. */
  #reports(): UsageReport[] {
    const all = [...this.#gathered.counts.values()]
    const reports: UsageReport[] = []
    for (let at = 0; at < all.length; at += USAGE_COUNTS_MAX) {
      const sequence = this.#sequence + reports.length + 1
      reports.push({ source: this.#source, sequence, counts: all.slice(at, at + USAGE_COUNTS_MAX) })
    }
    return reports
  }

  #told({ totals }: UsageAnswer): void {
    this.#isSending = false
    this.#retryMs = USAGE_RETRY_MS_MIN
    const told = this.#waiting.shift()
    for (const worker of this.#workers) {
      worker.learnUsage(totals, told?.through?.get(worker) ?? 0)
    }
    if (this.#waiting.length === 0) void this.#file.clear()
    this.#next()
  }

  #failed(error: unknown): void {
    this.#isSending = false
    this.#logger.debug({ reason: describeError(error) }, 'usage could not be told')
    this.#timer = setTimeout(() => {
      this.#timer = null
      this.#next()
    }, this.#retryMs)
    this.#timer.unref()
    this.#retryMs = Math.min(USAGE_RETRY_MS_MAX, this.#retryMs * 2)
    // Whatever happens to this process now, only what comes after this moment is lost.
    void this.#keep()
  }

  /**
   * What is not numbered yet is kept under the number that it will have: once it is told with more beside it, the part that
   * is kept counts no more. It stays one report, however long nobody can be told.
   */
  async #keep(): Promise<void> {
    const reports = [...this.#waiting.map(({ report }) => report), ...this.#reports()].filter(
      ({ counts }) => counts.some(({ used }) => used > 0),
    )
    await this.#file.write(reports)
  }

  async #send(
    node: { readonly origin: string; readonly agent: Agent },
    report: UsageReport,
  ): Promise<UsageAnswer> {
    const token = this.#access()?.token ?? null
    const answer = await postJson(
      { ...node, token },
      {
        path: this.#path,
        body: report,
        silenceMs: USAGE_ANSWER_MS_MAX,
        answerBytesMax: ANSWER_BYTES_MAX,
      },
    )
    if (answer === null) throw new Error('the answer is no JSON')
    return answer as UsageAnswer // A node of this cluster says it.
  }
}
