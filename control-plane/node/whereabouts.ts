import { describeError } from '../../shared/errors.ts'
import {
  FORM_CALL_MS_MAX,
  FORM_CONTACTS_MAX,
  FORM_LOG_MS,
  MEMBER_CALL_MS_MAX,
  WHEREABOUTS_MS,
} from '../../shared/limits.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Clock } from '../clock.ts'
import type { Identity, NodeAddress, NodeId, Transport } from '../ports.ts'
import type { ReplicatedState } from '../state-machine/state.ts'
import type { Leadership } from './leadership.ts'
import { isSameAddress, parseMembers } from './member-change.ts'
import type { MembershipChanges } from './membership-changes.ts'

/** A member that answered, and whom it knows. */
type Met = { readonly from: NodeAddress; readonly members: readonly NodeAddress[] }

/** What whereabouts need of the node around them. */
export type WhereaboutsParts = {
  readonly identity: Identity
  readonly self: NodeAddress
  readonly transport: Transport
  readonly clock: Clock
  readonly logger: Logger
  readonly electionMs: number
  readonly leadership: Leadership
  readonly membership: MembershipChanges
  /** Peer addresses at which members may be found when none answers where it was. Looked up anew at each call. */
  readonly seeds: () => Promise<readonly string[]>
  readonly state: () => ReplicatedState
  /** A member says, by a read of the log, that this node is none any more. */
  readonly onRemoved: () => void
}

/**
 * Keeps the cluster informed of where this node is, and this node of where the others are:
 *
 *   - its own name or address differs from what membership says: it tells the leader, until membership says the same
 *   - it has heard of no leader for two election timeouts: it asks everybody at their last known addresses and at its
 *     seeds who they are and whom they know, and whether it is still a member
 *
 * Nothing here decides anything: addresses are hints that a link holds against the id of whoever answers, changes of
 * membership go through the log, and a node takes itself for removed only by a linearizable read of a member.
 */
export class Whereabouts {
  readonly #parts: WhereaboutsParts
  readonly #stop: () => void
  #isBusy = false
  #isStopped = false
  #loggedMs = -Infinity
  /** Since when no leader is heard; null while one is. */
  #leaderlessMs: number | null = null

  constructor(parts: WhereaboutsParts) {
    this.#parts = parts
    this.#stop = parts.clock.every(WHEREABOUTS_MS, () => this.#onTime())
  }

  stop(): void {
    this.#isStopped = true
    this.#stop()
  }

  /** What others are told of the members: where they are, by their own word if it is newer than the log's. */
  known(): readonly NodeAddress[] {
    const { state, transport, self } = this.#parts
    return [...state().members.values()].map((member) =>
      member.id === self.id ? self : (transport.learned(member.id) ?? member),
    )
  }

  #onTime(): void {
    if (this.#isBusy || this.#isStopped) return
    const { clock, electionMs, leadership, logger } = this.#parts
    const nowMs = clock.monotonic()
    if (leadership.hearsLeader) this.#leaderlessMs = null
    else this.#leaderlessMs ??= nowMs
    const isLost = this.#leaderlessMs !== null && nowMs - this.#leaderlessMs >= 2 * electionMs
    const own = this.#parts.state().members.get(this.#parts.self.id)
    const isMoved = own !== undefined && !isSameAddress(own, this.#parts.self)
    if (!isLost && !isMoved) return
    this.#isBusy = true
    const work = isLost ? this.#lookAround() : this.#tellLeader()
    work
      .catch((error: unknown) => logger.warn({ err: error }, 'looking for the cluster failed'))
      .finally(() => {
        this.#isBusy = false
      })
  }

  /** Asks the leader to write down where this node is now. */
  async #tellLeader(): Promise<void> {
    const { self, leadership, membership, transport, logger } = this.#parts
    const leader = leadership.leader()
    if (leader === null) return
    try {
      if (leader.id === self.id) membership.move(self, { isPeerProven: false })
      else await transport.call(leader.peer, { type: 'moved', body: null }, MEMBER_CALL_MS_MAX)
      logger.info(
        { name: self.name, api: self.api, peer: self.peer },
        'told the cluster its address',
      )
    } catch (error) {
      this.#log(
        { name: self.name, api: self.api, peer: self.peer, leader: leader.name, err: error },
        `the cluster does not take this node's new name or address: ${describeError(error)}`,
      )
    }
  }

  /** Asks everybody who may be a member who it is, whom it knows, and whether this node still belongs to them. */
  async #lookAround(): Promise<void> {
    const { self } = this.#parts
    const seeds = await this.#parts.seeds()
    const addresses = new Set([...this.known().map(({ peer }) => peer), ...seeds])
    addresses.delete(self.peer)
    const asked = [...addresses].slice(0, FORM_CONTACTS_MAX)
    const answers = await Promise.all(asked.map((peer) => this.#hello(peer)))
    const met = answers.filter((answer) => answer !== null)
    if (this.#isStopped) return
    for (const { from } of met) this.#parts.transport.learn(from)
    // What one says of another is used only where that other one does not speak for itself.
    const speaking = new Set(met.map(({ from }) => from.id))
    for (const { members } of met) {
      for (const member of members) {
        if (!speaking.has(member.id) && this.#isSilent(member.id)) {
          this.#parts.transport.learn(member)
        }
      }
    }
    if (met.length > 0) await this.#askWhetherMember(met.map(({ from }) => from))
    else this.#log({ asked }, 'no member answers, neither where it was nor at the join list')
  }

  async #hello(peer: string): Promise<Met | null> {
    const { identity, self, transport } = this.#parts
    try {
      const { from, body } = await transport.call(
        peer,
        { type: 'hello', body: null },
        FORM_CALL_MS_MAX,
      )
      if (from.clusterId !== identity.clusterId || from.id === self.id) return null
      const { clusterId: _same, ...address } = from
      return { from: address, members: parseMembers(body) }
    } catch {
      // Whoever is not there, or belongs elsewhere, is no help; the next round asks again.
      return null
    }
  }

  async #askWhetherMember(members: readonly NodeAddress[]): Promise<void> {
    const { transport, onRemoved } = this.#parts
    const note = { type: 'am-i-member', body: null }
    const answers = await Promise.all(
      members.map(({ peer }) =>
        transport.call(peer, note, MEMBER_CALL_MS_MAX).then(
          ({ body }) => body,
          // Without a leader nobody can tell.
          () => null,
        ),
      ),
    )
    if (!this.#isStopped && answers.includes(false)) onRemoved()
  }

  #isSilent(id: NodeId): boolean {
    const heardMs = this.#parts.transport.lastHeardMs(id)
    return heardMs === null || heardMs > this.#parts.electionMs
  }

  /** The same is worth saying every FORM_LOG_MS, not every round. */
  #log(fields: object, text: string): void {
    const nowMs = this.#parts.clock.monotonic()
    if (nowMs - this.#loggedMs < FORM_LOG_MS) return
    this.#loggedMs = nowMs
    this.#parts.logger.warn(fields, text)
  }
}
