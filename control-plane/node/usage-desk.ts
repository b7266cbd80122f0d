import { RaftwayError } from '../../shared/errors.ts'
import { USAGE_COUNTS_GATHERED_MAX, USAGE_GATHER_MS } from '../../shared/limits.ts'
import type { UsageAnswer, UsageReport } from '../../shared/usage-protocol.ts'
import type { Clock } from '../clock.ts'
import type {
  Command,
  ConsumerUsage,
  UsageAdjustment,
  UsageCommand,
  UsagePort,
  UsageStep,
} from '../ports.ts'
import type { RawNode } from '../raft/raw-node.ts'
import { encodeCommand } from '../state-machine/command.ts'
import type { Usage, UsageApplied } from '../state-machine/usage.ts'
import type { Applier } from './applier.ts'
import type { FeatureGate } from './feature-gate.ts'

/** Gathered, not proposed yet; or proposed, not applied yet. */
type Batch = {
  readonly reports: UsageReport[]
  readonly adjustments: UsageAdjustment[]
  counts: number
  readonly applied: PromiseWithResolvers<void>
}

/** What the desk needs of the node around it. */
type UsageDeskParts = {
  readonly clock: Clock
  readonly raw: Pick<RawNode, 'propose' | 'role'>
  readonly makeId: () => string
  readonly applier: Pick<Applier, 'state'>
  readonly gate: () => Pick<FeatureGate, 'assertAdmitted' | 'taken'>
  readonly wake: () => void
}

/**
 * Takes the usage that gateways report into the log: what comes within USAGE_GATHER_MS is one entry, so that usage costs the
 * log a few entries a second, whatever gateways there are.
 */
export class UsageDesk implements UsagePort {
  readonly #parts: UsageDeskParts
  #gathered: Batch | null = null
  readonly #proposed = new Map<string, Batch>()
  readonly #listeners = new Set<(steps: readonly UsageStep[]) => void>()

  constructor(parts: UsageDeskParts) {
    this.#parts = parts
  }

  async count(report: UsageReport): Promise<UsageAnswer> {
    this.#assertLeading()
    if (report.counts.some(({ used }) => used > 0)) {
      await this.#take(report.counts.length, ({ reports }) => reports.push(report))
    }
    return { totals: this.#usage.totalsOf(report.counts) }
  }

  async adjust(adjustment: UsageAdjustment): Promise<UsageAnswer> {
    this.#assertLeading()
    await this.#take(1, ({ adjustments }) => adjustments.push(adjustment))
    return { totals: this.#usage.totalsOf([adjustment]) }
  }

  of(consumer: string): ConsumerUsage | null {
    return this.#usage.of(consumer)
  }

  onGrown(listener: (steps: readonly UsageStep[]) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** A usage command was applied, whoever proposed it. */
  onApplied(id: string, { grown }: UsageApplied): void {
    if (grown.length > 0 && this.#parts.raw.role === 'leader') {
      for (const hear of this.#listeners) hear(grown)
    }
    this.#proposed.get(id)?.applied.resolve()
    this.#proposed.delete(id)
  }

  /** Leadership is gone, or the node stops: what was under way may or may not be counted. */
  abandon(error: RaftwayError): void {
    const batches = [...this.#proposed.values()]
    if (this.#gathered !== null) batches.push(this.#gathered)
    this.#gathered = null
    this.#proposed.clear()
    for (const { applied } of batches) applied.reject(error)
  }

  get #usage(): Usage {
    return this.#parts.applier.state.usage
  }

  #take(counts: number, add: (batch: Batch) => void): Promise<void> {
    const batch = (this.#gathered ??= this.#newBatch())
    add(batch)
    batch.counts += counts
    if (batch.counts >= USAGE_COUNTS_GATHERED_MAX) this.#propose(batch)
    return batch.applied.promise
  }

  #newBatch(): Batch {
    const batch = {
      reports: [],
      adjustments: [],
      counts: 0,
      applied: Promise.withResolvers<void>(),
    }
    this.#parts.clock.after(USAGE_GATHER_MS, () => this.#propose(batch))
    return batch
  }

  #propose(batch: Batch): void {
    if (this.#gathered !== batch) return
    this.#gathered = null
    const { clock, raw, makeId, gate, wake } = this.#parts
    const { reports, adjustments } = batch
    const id = makeId()
    const command: UsageCommand & Command = {
      type: 'usage',
      id,
      atMs: clock.now(),
      reports,
      adjustments,
    }
    try {
      gate().assertAdmitted(command)
      if (raw.propose([encodeCommand(command)]) !== 'ok') {
        throw new RaftwayError('OVERLOADED', 'the usage was not taken into the log')
      }
    } catch (error) {
      batch.applied.reject(error)
      return
    }
    gate().taken(command)
    this.#proposed.set(id, batch)
    wake()
  }

  #assertLeading(): void {
    if (this.#parts.raw.role !== 'leader') {
      throw new RaftwayError('NOT_LEADER', 'this node does not lead')
    }
  }
}
