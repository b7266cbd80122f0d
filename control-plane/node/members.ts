import type { RaftwayError } from '../../shared/errors.ts'
import { MEMBER_CALL_MS_MAX } from '../../shared/limits.ts'
import type { NodeAddress, NodeId } from '../ports.ts'
import type { RawNode } from '../raft/raw-node.ts'
import { encodeCommand } from '../state-machine/command.ts'
import { membersOf, type Applier } from './applier.ts'
import { ClusterView } from './cluster-view.ts'
import { DeadMembers } from './dead-members.ts'
import { DiskGuard } from './disk-guard.ts'
import { FeatureGate } from './feature-gate.ts'
import { GatewayExchange } from './gateway-exchange.ts'
import type { Leadership } from './leadership.ts'
import { neededFrom } from './log-demand.ts'
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
  readonly wake: () => void
  readonly readBarrier: (timeoutMs: number) => Promise<void>
  /** Tells every write under way how it ended. */
  readonly answerWaiting: (error: RaftwayError) => void
  /** The cluster has taken this node out. */
  readonly onRemoved: () => void
}

/** Everything of a node that deals with the other members: who they are, where they are, and how they stand. */
export class Members {
  readonly changes: MembershipChanges
  readonly desk: MemberDesk
  readonly gateways: GatewayExchange
  readonly view: ClusterView
  readonly standings: Standings
  readonly guard: DiskGuard
  readonly gate: FeatureGate
  readonly dead: DeadMembers
  readonly #whereabouts: Whereabouts
  readonly #parts: MembersParts
  readonly #stops: (() => void)[]

  constructor(parts: MembersParts) {
    const { raw, applier, clock, leadership, electionMs } = parts
    this.#parts = parts
    this.changes = new MembershipChanges({
      ...parts,
      timeoutMs: 4 * electionMs + MEMBER_CALL_MS_MAX,
      // As long as the longest election timeout.
      isHeard: (id) =>
        id === parts.self.id || (parts.transport.lastHeardMs(id) ?? Infinity) < 2 * electionMs,
      proposeMember: (address) => raw.propose([encodeCommand({ type: 'member', address })]),
    })
    parts.store.keepLogFrom(() => neededFrom(raw))
    const around = { ...parts, state: () => applier.state, membership: this.changes }
    this.#whereabouts = new Whereabouts(around)
    const known = () => this.#whereabouts.known()
    this.gate = new FeatureGate(parts, applier, () => [...known(), ...this.changes.newcomers])
    this.gateways = new GatewayExchange({
      ...parts,
      members: () => applier.state.members,
      isHeard: (id) => this.isHeard(id),
    })
    this.desk = new MemberDesk({
      ...around,
      gate: this.gate,
      known,
      connectedGateways: () => this.gateways.onAsked(),
    })
    this.standings = new Standings({
      ...parts,
      state: () => applier.state,
      onDifference: (id, revision) => this.#onDifference(id, revision),
    })
    this.dead = new DeadMembers({ ...parts, changes: this.changes })
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
    this.dead.stop()
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

  /** Whether anything came from a node within the shortest election timeout. */
  isHeard(id: NodeId): boolean {
    return (this.#parts.transport.lastHeardMs(id) ?? Infinity) < this.#parts.electionMs
  }

  /** Links go to the members there are now. */
  setPeers(): void {
    const { applier, hints, transport, self } = this.#parts
    const known = applier.state.members
    const members = known.size > 0 ? [...known.values()] : hints
    transport.setPeers(members.filter(({ id }) => id !== self.id))
  }

  /** A change was applied here; `request` names whose it was. */
  onApplied(request: string | null): void {
    this.setPeers()
    this.changes.onApplied(request)
    this.endIfRemoved()
  }

  /** Leadership changed: what was asked of the membership may or may not happen. */
  abandon(error: RaftwayError): void {
    this.changes.abandon(error)
    this.gate.forgetTaken()
  }

  /** Ends this node, a moment later, if it is no member any more. */
  endIfRemoved(): void {
    const { applier, self, clock, electionMs, onRemoved } = this.#parts
    const members = membersOf(applier.confState)
    if (members.size === 0 || members.has(self.id)) return
    // The others must hear of the commit that removes this node before it goes silent.
    this.#stops.push(clock.after(2 * electionMs, onRemoved))
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
