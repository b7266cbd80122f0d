import { z } from 'zod'
import type { Clock } from '../clock.ts'
import type {
  ClusterStatus,
  Identity,
  MemberStatus,
  NodeAddress,
  NodeId,
  Transport,
} from '../ports.ts'
import type { RawNode, Status } from '../raft/raw-node.ts'
import { levelOf } from '../../shared/features.ts'
import type { Applier } from './applier.ts'
import type { Standings } from './standings.ts'
import type { FeatureGate } from './feature-gate.ts'

const progressNoteSchema = z.object({
  term: z.int(),
  members: z.array(z.object({ id: z.int(), match: z.int(), healthy: z.boolean() })),
})

/** What a leader tells the others of everybody's progress, so that any node can show the whole cluster. */
export type ProgressNote = z.infer<typeof progressNoteSchema>

/** Where the view comes from. */
export type ClusterViewParts = {
  readonly identity: Identity
  readonly self: NodeAddress
  readonly raw: RawNode
  readonly applier: Applier
  readonly gate: FeatureGate
  readonly transport: Transport
  readonly clock: Clock
  readonly electionMs: number
  readonly standings: Standings
}

/** The cluster as this node sees it: its own knowledge, and what the leader last told. */
export class ClusterView {
  readonly #parts: ClusterViewParts
  #told: { readonly note: ProgressNote; readonly atMs: number } | null = null

  constructor(parts: ClusterViewParts) {
    this.#parts = parts
  }

  /** What to tell the others; null on a node that does not lead. */
  progressNote(): ProgressNote | null {
    const status = this.#parts.raw.status()
    if (status.progress === null) return null
    const members = [...status.progress].map(([id, { match }]) => ({
      id,
      match,
      healthy: this.#isHeard(id),
    }))
    return { term: status.term, members }
  }

  /** Takes what the leader told. Anything else than a note of the current term is ignored. */
  onProgressNote(body: unknown): void {
    const note = progressNoteSchema.safeParse(body)
    if (!note.success || note.data.term !== this.#parts.raw.term) return
    this.#told = { note: note.data, atMs: this.#parts.clock.monotonic() }
  }

  status(): ClusterStatus {
    const { raw, applier, identity, self } = this.#parts
    const status = raw.status()
    const members = [...applier.state.members.values()]
      .toSorted((a, b) => (a.name < b.name ? -1 : 1))
      .map((member) => this.#member(member, status))
    return {
      clusterId: identity.clusterId,
      node: self.name,
      leader: applier.state.members.get(status.leader)?.name ?? null,
      term: status.term,
      commitIndex: status.commit,
      appliedIndex: applier.index,
      revision: applier.state.revision,
      hash: applier.state.hash,
      featureLevel: this.#parts.gate.level,
      members,
    }
  }

  #member(member: NodeAddress, status: Status): MemberStatus {
    const { release } = this.#parts.gate.members.find(({ id }) => id === member.id) ?? member
    const isSelf = member.id === this.#parts.self.id
    const { confState } = this.#parts.applier
    const told = this.#toldOf(member.id)
    const own = isSelf ? status.lastIndex : undefined
    return {
      id: member.id,
      name: member.name,
      role: confState.voters.includes(member.id) ? 'voter' : 'learner',
      state: stateOf(member.id, isSelf, status),
      api: member.api,
      peer: member.peer,
      matchIndex: status.progress?.get(member.id)?.match ?? own ?? told?.match ?? 0,
      healthy:
        isSelf ||
        (status.progress === null
          ? (told?.healthy ?? this.#isHeard(member.id))
          : this.#isHeard(member.id)),
      lastHeardMs: isSelf ? null : this.#parts.transport.lastHeardMs(member.id),
      disk: this.#parts.standings.roomOf(member.id),
      sameConfig: this.#parts.standings.isSame(member.id),
      version: release?.version ?? null,
      featureLevel: levelOf({ release }),
    }
  }

  #toldOf(id: NodeId): ProgressNote['members'][number] | undefined {
    const told = this.#told
    const isFresh =
      told !== null && this.#parts.clock.monotonic() - told.atMs < 4 * this.#parts.electionMs
    return isFresh ? told.note.members.find((member) => member.id === id) : undefined
  }

  /** Heard from within the longest election timeout: what consensus itself would call alive. */
  #isHeard(id: NodeId): boolean {
    if (id === this.#parts.self.id) return true
    const heardMs = this.#parts.transport.lastHeardMs(id)
    return heardMs !== null && heardMs < 2 * this.#parts.electionMs
  }
}

function stateOf(id: NodeId, isSelf: boolean, status: Status): MemberStatus['state'] {
  if (id === status.leader) return 'leader'
  const isCandidate = isSelf && (status.role === 'candidate' || status.role === 'pre-candidate')
  return isCandidate ? 'candidate' : 'follower'
}
