import { z } from 'zod'
import { RECENT_HASHES_MAX } from '../../shared/limits.ts'
import type { Clock } from '../clock.ts'
import type { AppliedChange, DiskRoom, NodeId, Transport } from '../ports.ts'
import type { ReplicatedState } from '../state-machine/state.ts'

const standingNoteSchema = z.object({
  revision: z.int().min(0),
  hash: z.string(),
  room: z.enum(['plenty', 'low', 'none']),
})

/** What a member tells the others of itself: where its config stands, and whether its disk has room. */
type Standing = z.infer<typeof standingNoteSchema>

type Told = {
  readonly standing: Standing
  readonly atMs: number
  /** Whether its config was this node's at a revision that both had; null while no such revision was seen. */
  isSame: boolean | null
}

export type StandingsParts = {
  readonly self: { readonly id: NodeId }
  /** This node's own, as it is now: replaced as a whole by a snapshot. */
  readonly state: () => Pick<ReplicatedState, 'revision' | 'hash' | 'members'>
  readonly space: DiskRoom
  readonly transport: Transport
  readonly clock: Clock
  readonly electionMs: number
  /** A member was found to have another config than this node at the same revision. */
  onDifference(id: NodeId, revision: number): void
}

/**
 * Members compare themselves by themselves. Each tells the others its revision and config hash now and then, and holds
 * what it hears against its own hash at that revision, now or when it gets there.
 */
export class Standings {
  readonly #parts: StandingsParts
  readonly #told = new Map<NodeId, Told>()
  /** This node's own hashes by revision, the newest RECENT_HASHES_MAX. */
  readonly #hashes = new Map<number, string>()

  constructor(parts: StandingsParts) {
    this.#parts = parts
    this.reset()
  }

  /** The state was replaced: what was compared before says nothing about it. */
  reset(): void {
    this.#hashes.clear()
    for (const told of this.#told.values()) told.isSame = null
    this.#remember(this.#parts.state())
  }

  applied(change: Pick<AppliedChange, 'revision' | 'hash'>): void {
    this.#remember(change)
    for (const [id, told] of this.#told) {
      if (told.standing.revision === change.revision) this.#compare(id, told)
    }
  }

  /** Tells the others how this node stands. */
  tell(): void {
    const { self, space, transport } = this.#parts
    const { revision, hash, members } = this.#parts.state()
    const body: Standing = { revision, hash, room: space.look() }
    for (const id of members.keys()) {
      if (id !== self.id) transport.sendNote(id, { type: 'standing', body })
    }
  }

  onNote(from: NodeId, body: unknown): void {
    const note = standingNoteSchema.safeParse(body)
    if (!note.success) return
    const told: Told = {
      standing: note.data,
      atMs: this.#parts.clock.monotonic(),
      isSame: this.#told.get(from)?.isSame ?? null,
    }
    this.#told.set(from, told)
    this.#compare(from, told)
  }

  /** Members among `ids` that said lately that their disk has room. */
  withRoom(ids: readonly NodeId[]): ReadonlySet<NodeId> {
    return new Set(ids.filter((id) => this.#fresh(id)?.standing.room === 'plenty'))
  }

  /** How the disk of another member stands, by its last word; null when it has not said anything lately. */
  roomOf(id: NodeId): Standing['room'] | null {
    if (id === this.#parts.self.id) return this.#parts.space.look()
    return this.#fresh(id)?.standing.room ?? null
  }

  /** Whether a member has this node's config; null when no revision that both had was seen lately. */
  isSame(id: NodeId): boolean | null {
    if (id === this.#parts.self.id) return true
    return this.#fresh(id)?.isSame ?? null
  }

  #fresh(id: NodeId): Told | null {
    const told = this.#told.get(id)
    const { clock, electionMs } = this.#parts
    return told !== undefined && clock.monotonic() - told.atMs < 4 * electionMs ? told : null
  }

  #remember({ revision, hash }: { readonly revision: number; readonly hash: string }): void {
    this.#hashes.set(revision, hash)
    for (const oldest of this.#hashes.keys()) {
      if (this.#hashes.size <= RECENT_HASHES_MAX) break
      this.#hashes.delete(oldest)
    }
  }

  #compare(id: NodeId, told: Told): void {
    const { revision, hash } = told.standing
    const own = this.#hashes.get(revision)
    if (own === undefined) return
    const wasSame = told.isSame
    told.isSame = own === hash
    if (!told.isSame && wasSame !== false) this.#parts.onDifference(id, revision)
  }
}
