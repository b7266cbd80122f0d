import { RaftwayError } from '../../shared/errors.ts'
import { MEMBER_CALL_MS_MAX, TRANSFER_MS_MAX } from '../../shared/limits.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Identity, NodeAddress, NodeId, PeerIdentity, PeerNote, Transport } from '../ports.ts'
import type { ReplicatedState } from '../state-machine/state.ts'
import type { FeatureGate } from './feature-gate.ts'
import type { Leadership } from './leadership.ts'
import { parseJoin } from './member-change.ts'
import type { MembershipChanges } from './membership-changes.ts'

/** What the desk needs of the node around it. */
export type MemberDeskParts = {
  readonly identity: Identity
  readonly self: NodeAddress
  readonly transport: Transport
  readonly logger: Logger
  readonly electionMs: number
  readonly leadership: Leadership
  readonly membership: MembershipChanges
  readonly gate: FeatureGate
  readonly state: () => ReplicatedState
  /** Where the members are, as far as this node knows. */
  readonly known: () => readonly NodeAddress[]
  /** Names of the gateways that are connected to this node now. */
  readonly connectedGateways: () => readonly string[]
  readonly readBarrier: (timeoutMs: number) => Promise<void>
  /** The cluster has removed this node. */
  readonly onRemoved: () => void
}

/** Who asks to join, to be taken in or to be taken out, by the API or from another node, is served here. */
export class MemberDesk {
  readonly #parts: MemberDeskParts

  constructor(parts: MemberDeskParts) {
    this.#parts = parts
  }

  /** Takes in the fresh node at a peer address. NOT_LEADER, PEER_UNREACHABLE, MEMBER_EXISTS, and as `admit`. */
  async add(peer: string): Promise<NodeAddress> {
    const { identity, leadership, membership, transport } = this.#parts
    leadership.assertLeading()
    const { from } = await transport.call(peer, { type: 'hello', body: null }, MEMBER_CALL_MS_MAX)
    if (from.clusterId !== null) {
      const which =
        from.clusterId === identity.clusterId ? 'this cluster already' : 'another cluster'
      throw new RaftwayError(
        'MEMBER_EXISTS',
        `the node at ${peer} (${from.name}) belongs to ${which}`,
      )
    }
    const { clusterId: _fresh, ...address } = from
    this.#parts.gate.assertMayJoin(address)
    const members = await membership.admit(address)
    const body = { identity: { clusterId: identity.clusterId, nodeId: address.id }, members }
    await transport.call(peer, { type: 'invite', body }, MEMBER_CALL_MS_MAX)
    return address
  }

  /**
   * Takes a member out; NOT_LEADER, MEMBER_NOT_FOUND, and as `MembershipChanges.remove`. A leader that is to take itself
   * out hands leadership over first, and then refuses with NOT_LEADER: the call belongs to the next one.
   */
  async remove(name: string): Promise<void> {
    const { identity, self, leadership, membership, transport, logger } = this.#parts
    leadership.assertLeading()
    const member = [...this.#parts.state().members.values()].find((one) => one.name === name)
    if (member?.id === self.id && membership.removalIssue(name) === null) {
      // Whoever leads afterwards carries it out: a leader that takes itself out leaves a gap behind.
      const next = await leadership.transfer(null, TRANSFER_MS_MAX)
      throw new RaftwayError('NOT_LEADER', `${next.name} leads now, to take ${name} out`)
    }
    await membership.remove(name)
    if (member === undefined || member.id === self.id) return
    // It no longer hears of commits, its own removal among them; if it is down, nobody needs to tell it.
    transport
      .call(member.peer, { type: 'removed', body: identity.clusterId }, MEMBER_CALL_MS_MAX)
      .catch((error: unknown) =>
        logger.info({ member: name, err: error }, 'a removed member did not hear of it'),
      )
  }

  /** NOT_LEADER, MEMBER_NOT_FOUND, and as `MembershipChanges.promote`. */
  async promote(name: string): Promise<void> {
    this.#parts.leadership.assertLeading()
    await this.#parts.membership.promote(name)
  }

  /** To the named voter, or the one that has most of the log; NOT_LEADER, MEMBER_NOT_FOUND, and as `transfer`. */
  async transferLeadership(name: string | null): Promise<string> {
    const { leadership, state } = this.#parts
    leadership.assertLeading()
    const wanted = [...state().members.values()].find((one) => one.name === name)
    if (name !== null && wanted === undefined) {
      throw new RaftwayError('MEMBER_NOT_FOUND', `no member is called ${name}`)
    }
    return (await leadership.transfer(wanted?.id ?? null, TRANSFER_MS_MAX)).name
  }

  /** What another node asks. MEMBERSHIP_REFUSED for what only a node without a cluster answers. */
  async onCall(from: PeerIdentity, call: PeerNote): Promise<unknown> {
    const { identity, self } = this.#parts
    switch (call.type) {
      case 'hello':
        return this.#onHello(from)
      case 'join':
        return this.#onJoin(call)
      case 'moved':
        return this.#onMoved(from)
      case 'am-i-member':
        return this.#isMember(from)
      case 'gateways':
        return this.#parts.connectedGateways()
      case 'removed':
        return this.#onRemoved(from, call.body)
      default:
        throw new RaftwayError(
          'MEMBERSHIP_REFUSED',
          `${self.name} belongs to cluster ${identity.clusterId}`,
        )
    }
  }

  #onHello(from: PeerIdentity): unknown {
    // A member that asks around may be somewhere else than before.
    if (from.clusterId === this.#parts.identity.clusterId)
      this.#parts.transport.learn(addressOf(from))
    return { members: this.#parts.known() }
  }

  /** A member tells where it is now. It is believed once it answers there itself. */
  async #onMoved(from: PeerIdentity): Promise<null> {
    const { identity, leadership, membership, transport } = this.#parts
    leadership.assertLeading()
    if (from.clusterId !== identity.clusterId || !this.#parts.state().members.has(from.id)) {
      throw new RaftwayError('MEMBER_NOT_FOUND', `${from.name} is no member of this cluster`)
    }
    const answer = await transport.call(
      from.peer,
      { type: 'hello', body: null },
      MEMBER_CALL_MS_MAX,
    )
    if (answer.from.id !== from.id) {
      throw new RaftwayError(
        'MEMBERSHIP_REFUSED',
        `at ${from.peer} answers ${answer.from.name}, not ${from.name}: look at --advertise-peer`,
      )
    }
    leadership.assertLeading()
    membership.move(addressOf(from), { isPeerProven: true })
    return null
  }

  /** Whether the caller is a member now: by a read of the log, so that `false` is final. NO_LEADER, TIMEOUT. */
  async #isMember(from: PeerIdentity): Promise<boolean> {
    await this.#parts.readBarrier(MEMBER_CALL_MS_MAX / 2)
    return this.#parts.state().members.has(from.id)
  }

  async #onJoin(call: PeerNote): Promise<unknown> {
    const { leadership, membership, transport, electionMs } = this.#parts
    const join = parseJoin(call.body)
    if (join === null)
      throw new RaftwayError('INVALID_REQUEST', 'a join must carry id, name, api and peer')
    const { address, replaces } = join
    if (!leadership.isLeading) {
      const leader = leadership.leader()
      // Taken in before, and the answer was lost: it may be one of those without whom no leader can be elected.
      if (leader === null && this.#parts.state().members.has(address.id))
        return this.#invitation(address, this.#parts.known())
      if (leader === null) throw new RaftwayError('NO_LEADER', 'no leader is known: try again')
      const { body } = await transport.call(leader.peer, call, MEMBER_CALL_MS_MAX)
      return body
    }
    await leadership.untilWritable(4 * electionMs)
    this.#parts.gate.assertMayJoin(address)
    if (replaces !== null) await this.#replace(replaces, address)
    return this.#invitation(address, await membership.admit(address))
  }

  #invitation({ id }: NodeAddress, members: readonly NodeAddress[]): unknown {
    return { identity: { clusterId: this.#parts.identity.clusterId, nodeId: id }, members }
  }

  /**
   * A member that lost its data gets its place back under a new id, as a learner: it must not vote or acknowledge under
   * the old one, because it no longer knows what it promised. The old id goes in the same change.
   */
  async #replace(id: NodeId, address: NodeAddress): Promise<void> {
    const { membership, transport, electionMs, logger } = this.#parts
    if (this.#parts.state().members.has(address.id)) return
    const heardMs = transport.lastHeardMs(id)
    if (heardMs !== null && heardMs < 2 * electionMs) {
      const detail = `member ${address.name} was heard ${Math.round(heardMs)} ms ago: it is asked again whether it is gone`
      throw new RaftwayError('MEMBERSHIP_CHANGE_PENDING', detail)
    }
    await membership.replace(id, address)
    logger.warn({ member: address.name, nodeId: address.id, replaced: id }, 'replaced a member')
  }

  #onRemoved(from: PeerIdentity, clusterId: unknown): null {
    const isMember = this.#parts.state().members.has(from.id)
    if (isMember && clusterId === this.#parts.identity.clusterId) this.#parts.onRemoved()
    return null
  }
}

function addressOf({ id, name, api, peer, release }: PeerIdentity): NodeAddress {
  return { id, name, api, peer, ...(release && { release }) }
}
