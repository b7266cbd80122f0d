import { unreachable } from '../../shared/assert.ts'
import { isRaftwayError, RaftwayError } from '../../shared/errors.ts'
import { levelOf } from '../../shared/features.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Clock } from '../clock.ts'
import type {
  AppliedBatch,
  AppliedChange,
  AppliedRecord,
  Command,
  ConfState,
  Entry,
  NodeAddress,
  NodeId,
  RestoredState,
  WriteCommand,
  WriteResult,
} from '../ports.ts'
import { decodeConfChange, type ConfChange } from '../raft/raw-node.ts'
import { decodeCommand } from '../state-machine/command.ts'
import { levelOfCommand } from '../state-machine/feature-level.ts'
import { ReplicatedState } from '../state-machine/state.ts'
import type { UsageApplied } from '../state-machine/usage.ts'
import { decodeMemberContext } from './member-change.ts'
import { inSlices } from './slices.ts'

/** Entries that a node under load may have committed and not yet applied. */
const CAUGHT_UP_ENTRIES = 1_024

const NOTHING: AppliedRecord[] = []

/** Who hears what was applied, in order, in the same turn. */
export type ApplierHooks = {
  applyConfChange(change: ConfChange): ConfState
  onWrite(command: WriteCommand, result: WriteResult): void
  onChange(change: AppliedChange): void
  onMembership(request: string | null): void
  /** The usage command of this id was counted. */
  onUsage(id: string, applied: UsageApplied): void
}

/**
 * Applies committed entries to the replicated state in memory, and says what the disk must remember of them.
 * Deterministic but for its hooks: every node that applies the same entries holds the same state.
 */
export class Applier {
  readonly #hooks: ApplierHooks
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #levelOf: (command: Command) => number
  #state: ReplicatedState
  #index: number
  #term: number
  #confState: ConfState

  constructor(
    restored: RestoredState,
    hooks: ApplierHooks,
    shell: {
      readonly logger: Logger
      readonly clock: Clock
      /** What a command needs of a node: as this program has it unless given. */
      readonly levelOfCommand?: (command: Command) => number
    },
  ) {
    this.#hooks = hooks
    this.#logger = shell.logger
    this.#clock = shell.clock
    this.#levelOf = shell.levelOfCommand ?? levelOfCommand
    this.#state = ReplicatedState.restore(restored)
    this.#index = restored.appliedIndex
    this.#term = restored.appliedTerm
    this.#confState = restored.confState
  }

  /** The state after everything applied so far. Replaced as a whole by `reset`. */
  get state(): ReplicatedState {
    return this.#state
  }

  get index(): number {
    return this.#index
  }

  get term(): number {
    return this.#term
  }

  /** The membership in force. */
  get confState(): ConfState {
    return this.#confState
  }

  /** Whether at most a moment's worth of entries, of all known to be committed, is still to be applied. */
  isCaughtUp(commit: number): boolean {
    return this.#index > 0 && commit - this.#index <= CAUGHT_UP_ENTRIES
  }

  /** Continues from a snapshot that became the state on disk. */
  reset(restored: RestoredState): void {
    this.#state = ReplicatedState.restore(restored)
    this.#index = restored.appliedIndex
    this.#term = restored.appliedTerm
    this.#confState = restored.confState
  }

  /**
   * Applies entries in index order; one call at a time. A write of many definitions is worked out in slices, so that the
   * node goes on answering. Rejects with STORAGE_CORRUPT on an entry that is damaged, and with VERSION_TOO_OLD on one of
   * a later version: it stays in the log for the version that knows it.
   */
  async apply(entries: readonly Entry[]): Promise<AppliedBatch> {
    const records: AppliedRecord[] = []
    for (const entry of entries) {
      // A snapshot that was installed meanwhile holds it already.
      if (entry.index <= this.#index) continue
      for (const record of await this.#applyEntry(entry)) records.push(record)
      this.#index = entry.index
      this.#term = entry.term
    }
    return {
      appliedIndex: this.#index,
      appliedTerm: this.#term,
      confState: this.#confState,
      records,
    }
  }

  #applyEntry(entry: Entry): readonly AppliedRecord[] | Promise<readonly AppliedRecord[]> {
    if (entry.type !== 'normal') return this.#applyMembership(entry)
    if (entry.data.length === 0) return []
    const command = this.#decode(entry)
    const level = this.#levelOf(command)
    const used: AppliedRecord[] = this.#state.useFeatures(level)
      ? [{ type: 'feature-level', level }]
      : NOTHING
    switch (command.type) {
      case 'write':
        return this.#applyWrite(command, entry.index, used)
      case 'member':
        // Its removal may have come into the log before its new address: it must not come back as nobody's member.
        if (!membersOf(this.#confState).has(command.address.id)) return used
        this.#state.applyMember(command.address)
        this.#hooks.onMembership(null)
        return [...used, { type: 'member', address: command.address }]
      case 'access':
        return [...used, ...this.#state.applyAccess(command.access)]
      case 'usage': {
        const applied = this.#state.applyUsage(command)
        this.#hooks.onUsage(command.id, applied)
        return [...used, ...applied.records]
      }
      default:
        return unreachable(command)
    }
  }

  /** Says as well who may have written what this version cannot read. */
  #decode({ data, index }: Entry): Command {
    try {
      return decodeCommand(data)
    } catch (error) {
      if (!isRaftwayError(error, 'VERSION_TOO_OLD')) throw error
      const newest = [...this.#state.members.values()].reduce(
        (best: NodeAddress | null, member) =>
          best === null || levelOf(member) > levelOf(best) ? member : best,
        null,
      )
      const by =
        newest?.release === undefined
          ? ''
          : `; the newest member, ${newest.name}, runs raftway ${newest.release.version}`
      throw new RaftwayError(
        'VERSION_TOO_OLD',
        `log entry ${index}: ${error.message}${by}. Nothing of it was lost: a newer raftway continues from this data`,
        { cause: error },
      )
    }
  }

  async #applyWrite(
    command: WriteCommand,
    index: number,
    used: readonly AppliedRecord[],
  ): Promise<readonly AppliedRecord[]> {
    const steps = this.#state.applyInSteps(command, index)
    const { result, change, records } = await inSlices(this.#clock, steps)
    // Watchers first: whoever is told that its write stands may ask what watchers have seen.
    if (change !== null) this.#hooks.onChange(change)
    this.#hooks.onWrite(command, result)
    return used.length === 0 ? records : [...used, ...records]
  }

  #applyMembership(entry: Entry): readonly AppliedRecord[] {
    const { index } = entry
    const change = decodeConfChange(entry)
    const context = decodeMemberContext(change.context)
    const records: AppliedRecord[] = []
    const before = membersOf(this.#confState)
    this.#confState = this.#hooks.applyConfChange(change)
    const after = membersOf(this.#confState)
    const address = context?.address ?? null
    if (address !== null && after.has(address.id)) {
      this.#state.applyMember(address)
      records.push({ type: 'member', address })
    }
    for (const id of before) {
      if (after.has(id)) continue
      this.#state.removeMember(id)
      records.push({ type: 'member-removed', id })
    }
    this.#logger.info({ audit: true, index, confState: this.#confState }, 'membership changed')
    this.#hooks.onMembership(context?.request ?? null)
    return records
  }
}

/** Everyone who votes or learns, in either half of a joint membership. */
export function membersOf(confState: ConfState): ReadonlySet<NodeId> {
  return new Set([
    ...confState.voters,
    ...confState.learners,
    ...confState.votersOutgoing,
    ...confState.learnersNext,
  ])
}
