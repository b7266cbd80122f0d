import { getCompileCacheDir } from 'node:module'
import { dirname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { describeError } from '../shared/errors.ts'
import { TARGETS_ASK_MS_MAX, WORKER_YOUNG_MIB_MAX } from '../shared/limits.ts'
import type { Quarantined } from '../shared/routing/types.ts'
import type { Counted, CountsAnswer } from '../shared/count-protocol.ts'
import type { UsageCount, UsageTotal } from '../shared/usage-protocol.ts'
import { keyOf, nameOfText, type DefinitionName } from './config/definition-text.ts'
import type { WorkerChange } from './config/served-config.ts'
import type { UpstreamReport } from './upstream/report.ts'
import type {
  Addresses,
  Applied,
  FromWorker,
  Ports,
  ToWorker,
  WorkerStart,
} from './worker-protocol.ts'

/** What a worker's link tells the pool. */
export type LinkHandler = {
  onApplied(link: WorkerLink, details: WorkerDetails): void
  /** What it said of the step that it has applied is not so any more: ports were opened since, or could not be. */
  onPortsTried(link: WorkerLink, details: WorkerDetails): void
  onListening(link: WorkerLink, ports: Ports): void
  onListenFailed(
    link: WorkerLink,
    failure: { readonly code: string; readonly reason: string },
  ): void
  /** Access records to be written; `recordsTaken` makes room for more. */
  onRecords(link: WorkerLink, lines: string, records: number): void
  onCounts(counts: readonly Counted[]): void
  onUsage(link: WorkerLink, batch: number, counts: readonly UsageCount[]): void
  onDrained(link: WorkerLink): void
  /** The thread is gone, whatever the reason. The last thing told. */
  onGone(link: WorkerLink, reason: string): void
}

export type WorkerDetails = {
  readonly routes: number
  readonly quarantined: readonly Quarantined[]
}

// A compiled package has no TypeScript to run.
const WORKER_FILE = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js'

/**
 * One worker thread, as the supervisor sees it. One change is under way at a time; what comes meanwhile is merged, so
 * that a slow worker gets one larger change instead of a queue without end.
 */
export class WorkerLink {
  readonly index: number
  readonly #worker: Worker
  readonly #handler: LinkHandler
  /** What the worker has answered; null before its first config. */
  #applied: Applied | null = null
  #isListening = false
  #isBusy = false
  #waiting: {
    to: Applied
    puts: Map<string, string>
    deletes: Map<string, DefinitionName>
  } | null = null
  #failure = 'it ended'
  #asks = 0
  readonly #asking = new Map<number, (upstreams: readonly UpstreamReport[] | null) => void>()

  constructor(start: WorkerStart, handler: LinkHandler) {
    this.index = start.index
    this.#handler = handler
    const cache = getCompileCacheDir()
    this.#worker = new Worker(new URL(WORKER_FILE, import.meta.url), {
      workerData: start,
      name: `raftway worker ${start.index}`,
      resourceLimits: { maxYoungGenerationSizeMb: WORKER_YOUNG_MIB_MAX },
      // A thread shares the compile cache only if its environment names it; the directory is below that name.
      env:
        cache === undefined ? process.env : { ...process.env, NODE_COMPILE_CACHE: dirname(cache) },
    })
    this.#worker.on('message', (message: FromWorker) => this.#onMessage(message))
    this.#worker.on('error', (error) => {
      this.#failure = describeError(error)
    })
    this.#worker.on('exit', () => {
      for (const ask of this.#asking.keys()) this.#settleAsk(ask, null)
      handler.onGone(this, this.#failure)
    })
  }

  get applied(): Applied | null {
    return this.#applied
  }

  get isListening(): boolean {
    return this.#isListening
  }

  /** Everything at once, for a worker that has nothing yet; parts in order. */
  giveAll(parts: readonly (WorkerChange | Uint8Array)[], to: Applied): void {
    parts.forEach((part, at) => {
      const isPartial = at < parts.length - 1
      const change =
        part instanceof Uint8Array
          ? { puts: part, deletes: [] }
          : { puts: part.puts, deletes: part.deletes }
      this.#post({ type: 'change', to, isPartial, ...change })
    })
    this.#isBusy = true
  }

  /** One step further: at once, or as soon as the worker has answered the one before. */
  give(change: WorkerChange, to: Applied): void {
    if (!this.#isBusy) {
      this.#isBusy = true
      this.#post({
        type: 'change',
        to,
        puts: change.puts,
        deletes: change.deletes,
        isPartial: false,
      })
      return
    }
    this.#waiting ??= { to, puts: new Map(), deletes: new Map() }
    const { puts, deletes } = this.#waiting
    this.#waiting.to = to
    for (const name of change.deletes) {
      puts.delete(keyOf(name))
      deletes.set(keyOf(name), name)
    }
    for (const text of change.puts) {
      const name = nameOfText(text)
      if (name === null) continue
      deletes.delete(keyOf(name))
      puts.set(keyOf(name), text)
    }
  }

  listen(addresses: Addresses, isShared: boolean): void {
    this.#post({ type: 'listen', addresses, isShared })
  }

  recordsTaken(chars: number): void {
    this.#post({ type: 'records-taken', chars })
  }

  /** What others have counted of shared limits. */
  learnCounts(answer: CountsAnswer): void {
    this.#post({ type: 'counts-told', answer })
  }

  /** What became of the usage that it has told. */
  learnUsage(totals: readonly UsageTotal[], through: number): void {
    this.#post({ type: 'usage-told', totals, through })
  }

  drain(quietMs: number): void {
    this.#post({ type: 'drain', quietMs })
  }

  /** What the worker knows of the upstreams that live in it; null when it does not say in time. */
  askTargets(): Promise<readonly UpstreamReport[] | null> {
    const { promise, resolve } = Promise.withResolvers<readonly UpstreamReport[] | null>()
    this.#asks += 1
    const ask = this.#asks
    const timer = setTimeout(() => this.#settleAsk(ask, null), TARGETS_ASK_MS_MAX)
    this.#asking.set(ask, (upstreams) => {
      clearTimeout(timer)
      resolve(upstreams)
    })
    this.#post({ type: 'report-targets', ask })
    return promise
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate()
  }

  #onMessage(message: FromWorker): void {
    switch (message.type) {
      case 'applied':
        this.#applied = message.applied
        this.#isBusy = false
        this.#giveWaiting()
        this.#handler.onApplied(this, message)
        return
      case 'ports-tried':
        this.#handler.onPortsTried(this, message)
        return
      case 'listening':
        this.#isListening = true
        this.#handler.onListening(this, message.ports)
        return
      case 'listen-failed':
        this.#handler.onListenFailed(this, message)
        return
      case 'records':
        this.#handler.onRecords(this, message.lines, message.records)
        return
      case 'counts':
        this.#handler.onCounts(message.counts)
        return
      case 'usage':
        this.#handler.onUsage(this, message.batch, message.counts)
        return
      case 'drained':
        this.#isListening = false
        this.#handler.onDrained(this)
        return
      case 'targets':
        this.#settleAsk(message.ask, message.upstreams)
        return
    }
  }

  #settleAsk(ask: number, upstreams: readonly UpstreamReport[] | null): void {
    this.#asking.get(ask)?.(upstreams)
    this.#asking.delete(ask)
  }

  #giveWaiting(): void {
    const waiting = this.#waiting
    if (waiting === null) return
    this.#waiting = null
    const { to, puts, deletes } = waiting
    this.give({ puts: [...puts.values()], deletes: [...deletes.values()] }, to)
  }

  #post(message: ToWorker): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    this.#worker.postMessage(message)
  }
}
