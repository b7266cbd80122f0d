import { MEMBER_CALL_MS_MAX } from '../../shared/limits.ts'
import type { NodeAddress, NodeId } from '../ports.ts'
import type { RawNode } from '../raft/raw-node.ts'
import { encodeCommand } from '../state-machine/command.ts'
import type { Applier } from './applier.ts'
import { ClusterView } from './cluster-view.ts'
import { DiskGuard } from './disk-guard.ts'
import { FeatureGate } from './feature-gate.ts'
import type { Leadership } from './leadership.ts'
import { MemberDesk } from './member-desk.ts'
import { MembershipChanges } from './membership-changes.ts'
import type { NodeParts } from './node-parts.ts'
import { Standings } from './standings.ts'
import { Whereabouts } from './whereabouts.ts'

const LEARNER_CHECK_MS = 100
const PROGRESS_NOTE_MS = 200

/** What the members of a node need of the node around them. */
export type MembersParts = NodeParts & {
  readonly raw: RawNode
  readonly applier: Applier
  readonly leadership: Leadership
  wake(): void
  readBarrier(timeoutMs: number): Promise<void>
  onRemoved(): void
}

/** Everything of a node that deals with the other members: who they are, where they are, and how they stand. */
export class Members {
  readonly changes: MembershipChanges
  readonly desk: MemberDesk
  readonly view: ClusterView
  readonly standings: Standings
  readonly guard: DiskGuard
  readonly gate: FeatureGate
  readonly #whereabouts: Whereabouts
  readonly #parts: MembersParts
  readonly #stops: readonly (() => void)[]

  constructor(parts: MembersParts) {
    const { raw, applier, clock, leadership, electionMs } = parts
    this.#parts = parts
    this.changes = new MembershipChanges({
      ...parts,
      timeoutMs: 4 * electionMs + MEMBER_CALL_MS_MAX,
      proposeMember: (address) => raw.propose([encodeCommand({ type: 'member', address })]),
    })
    const around = { ...parts, state: () => applier.state, membership: this.changes }
    this.#whereabouts = new Whereabouts(around)
    const known = () => this.#whereabouts.known()
    this.gate = new FeatureGate(parts, applier, known)
    this.desk = new MemberDesk({ ...around, gate: this.gate, known })
    this.standings = new Standings({
      ...parts,
      state: () => applier.state,
      onDifference: (id, revision) => this.#onDifference(id, revision),
    })
    this.guard = new DiskGuard({
      ...parts,
      withRoom: () => this.standings.withRoom(applier.confState.voters),
    })
    this.view = new ClusterView({ ...parts, standings: this.standings, gate: this.gate })
    this.#stops = [
      clock.every(LEARNER_CHECK_MS, () => {
        if (leadership.isLeading) this.changes.checkLearners()
      }),
      clock.every(PROGRESS_NOTE_MS, () => this.#tell()),
    ]
  }

  /** Ends what runs by itself. What waits for room on the disk is woken: end what writes before. */
  stop(): void {
    for (const stop of this.#stops) stop()
    this.#whereabouts.stop()
    this.guard.stop()
  }

  /** Where a member is, as far as anybody told. */
  address(id: NodeId): NodeAddress | null {
    const { transport, applier, hints } = this.#parts
    return (
      transport.learned(id) ??
      applier.state.members.get(id) ??
      hints.find((hint) => hint.id === id) ??
      null
    )
  }

  #tell(): void {
    const { transport, self } = this.#parts
    this.standings.tell()
    const body = this.view.progressNote()
    for (const { id } of body?.members ?? []) {
      if (id !== self.id) transport.sendNote(id, { type: 'progress', body })
    }
  }

  #onDifference(id: NodeId, revision: number): void {
    const member = this.address(id)?.name ?? String(id)
    this.#parts.logger.error({ member, revision }, 'a member has another config than this node')
  }
}
