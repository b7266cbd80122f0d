import { randomInt } from 'node:crypto'
import { assert } from '../../shared/assert.ts'
import { RaftwayError } from '../../shared/errors.ts'
import { isSameRelease } from '../../shared/features.ts'
import { FRAME_HEAD_BYTES, sealFrame } from '../../shared/framing.ts'
import { PEER_CONNECTIONS_MAX, PEER_PING_MS } from '../../shared/limits.ts'
import type { Logger } from '../../shared/logger.ts'
import { Random } from '../../shared/random.ts'
import type {
  Message,
  NodeAddress,
  NodeId,
  OutgoingSnapshot,
  PeerHandler,
  PeerIdentity,
  PeerNote,
  Transport,
} from '../ports.ts'
import type { MessageOf } from '../raft/messages.ts'
import { formatAddress } from './address.ts'
import { CallClient, type CallAnswer } from './call-client.ts'
import { unreachable, type Connection } from './connection.ts'
import { dial, type Adopt } from './greeting.ts'
import { Inbound } from './inbound.ts'
import { TCP_LINKS, type Link, type LinkListener, type LinkPort } from './links.ts'
import { encodeMessage } from './message-codec.ts'
import { PeerLink } from './peer-link.ts'
import { streamSnapshot } from './snapshot-sender.ts'
import { encodeJson, FRAME, PROTOCOLS, type Protocols, type Purpose } from './wire.ts'

export type TransportOptions = {
  readonly host: string
  /** 0 for any free one. */
  readonly port: number
  /** This node as it is now: asked whenever it introduces itself. */
  readonly self: () => PeerIdentity
  readonly handler: PeerHandler
  readonly logger: Logger
  /** Below which bytes travel; plain TCP unless given. */
  readonly links?: LinkPort
  /** Answers nodes that have no certificate yet; they are refused unless given. */
  readonly onEnrol?: (call: PeerNote) => Promise<unknown>
  /** Peer protocols that this node speaks; those of this program unless given. */
  readonly protocols?: Protocols
  /** Spreads attempts to connect; seeded from the system unless given. */
  readonly random?: Random
}

/**
 * Links to other nodes over ordered byte streams. Each node dials each member for what it has to say, so that there are
 * two connections a pair for messages, and further ones for calls and snapshots.
 *
 * A link delivers in order and each message at most once; what was queued when it broke is dropped. Membership
 * decides whom this node dials. It does not decide whom it hears: a node that was down while the membership changed
 * must hear a leader that it does not know yet, or it could never learn of it. Any node of the same cluster may
 * send, and gets answers while it is connected; a node of no cluster may only call.
 */
export class TcpTransport implements Transport {
  /** `HOST:PORT` that it listens on in fact. */
  readonly address: string
  readonly port: number
  readonly #options: TransportOptions
  readonly #links: LinkPort
  readonly #random: Random
  readonly #listener: LinkListener
  readonly #end = new AbortController()
  readonly #calls: CallClient
  readonly #inbound: Inbound
  readonly #peers = new Map<NodeId, PeerLink>()
  /** Where membership says that members are. */
  #members: ReadonlyMap<NodeId, NodeAddress> = new Map()
  /** Where members are by their own word, as far as it differs. Keys are members. */
  readonly #learned = new Map<NodeId, NodeAddress>()
  /** To nodes that dialled this one and are not members that it knows of: for answers, while they stay. */
  readonly #guests = new Map<NodeId, PeerLink>()
  readonly #heardMs = new Map<NodeId, number>()
  readonly #connections = new Set<Connection>()
  readonly #beat: NodeJS.Timeout
  #beatMs = performance.now()

  /** Resolves once others can connect; rejects when the address cannot be had. */
  static async listen(options: TransportOptions): Promise<TcpTransport> {
    let transport: TcpTransport | null = null
    const listener = await (options.links ?? TCP_LINKS).listen(options, (link) => {
      // Whoever is faster than the constructor tries again.
      if (transport === null) link.stream.destroy()
      else transport.#accept(link)
    })
    transport = new TcpTransport(options, listener)
    return transport
  }

  private constructor(options: TransportOptions, listener: LinkListener) {
    this.#options = options
    this.#links = options.links ?? TCP_LINKS
    this.#random = options.random ?? new Random(randomInt(2 ** 32))
    this.#listener = listener
    this.address = formatAddress(listener.at)
    this.port = listener.at.port
    this.#calls = new CallClient({
      self: options.self,
      dial: (peer, adopt, signal) => this.#dial({ peer, purpose: 'calls', adopt, signal }),
    })
    this.#inbound = new Inbound({
      ...options,
      protocols: options.protocols ?? PROTOCOLS,
      onHeard: (id) => this.#onHeard(id),
      onLink: (peer) => this.#onLink(peer),
      onUnlink: (id) => this.#onUnlink(id),
    })
    this.#beat = setInterval(() => this.#onBeat(), PEER_PING_MS)
  }

  send(message: Message): boolean {
    assert(message.type !== 'snap', 'a snapshot goes through sendSnapshot')
    const link = this.#linkTo(message.to)
    if (link === undefined) return false
    const frame = encodeMessage(message, FRAME_HEAD_BYTES)
    sealFrame(FRAME.message, frame)
    return link.send(frame)
  }

  sendNote(to: NodeId, note: PeerNote): boolean {
    return (
      this.#linkTo(to)?.send(
        encodeJson(FRAME.note, { type: note.type, body: note.body ?? null }),
      ) ?? false
    )
  }

  call(peer: string, note: PeerNote, timeoutMs: number): Promise<CallAnswer> {
    return this.#calls.call(peer, note, timeoutMs)
  }

  async sendSnapshot(message: MessageOf<'snap'>, snapshot: OutgoingSnapshot): Promise<void> {
    const address = this.#linkTo(message.to)?.address
    if (address === undefined) throw unreachable(String(message.to), 'its address is not known')
    const { peer, id: expected } = address
    const open = (adopt: Adopt) =>
      this.#dial({ peer, purpose: 'snapshot', expected, adopt, signal: this.#end.signal })
    await streamSnapshot({ message, snapshot, dial: open })
  }

  setPeers(peers: readonly NodeAddress[]): void {
    if (this.#end.signal.aborted) return
    const self = this.#options.self().id
    const wanted = new Map(peers.filter(({ id }) => id !== self).map((peer) => [peer.id, peer]))
    for (const [id, learned] of this.#learned) {
      const now = wanted.get(id)
      const before = this.#members.get(id)
      const isNews = now === undefined || before === undefined || !isSameAddress(now, before)
      // While it is connected its own word is newer than whatever the log says of it.
      const isStale = isNews && !this.#inbound.hasLink(id)
      if (now === undefined || isSameAddress(now, learned) || isStale) this.#learned.delete(id)
    }
    this.#members = wanted
    for (const [id, link] of this.#peers) {
      if (wanted.has(id)) continue
      this.#peers.delete(id)
      // Whoever still talks to this node gets answers: this node may be the one that is behind.
      if (this.#inbound.hasLink(id)) this.#guests.set(id, link)
      else this.#forget(id, link)
    }
    // A guest that becomes a member has said itself where it is, and is connected: the log may be older than that.
    for (const [id, { address }] of this.#guests) if (this.#inbound.hasLink(id)) this.learn(address)
    for (const id of wanted.keys()) this.#aim(id)
  }

  learn(address: NodeAddress): void {
    const { id, name, api, peer, release } = address
    const member = this.#members.get(id)
    if (this.#end.signal.aborted || member === undefined || peer === '') return
    if (isSameAddress(member, address)) this.#learned.delete(id)
    else this.#learned.set(id, { id, name, api, peer, ...(release && { release }) })
    this.#aim(id)
  }

  learned(id: NodeId): NodeAddress | null {
    return this.#learned.get(id) ?? null
  }

  lastHeardMs(id: NodeId): number | null {
    const heardMs = this.#heardMs.get(id)
    return heardMs === undefined ? null : Math.max(0, performance.now() - heardMs)
  }

  async close(): Promise<void> {
    if (this.#end.signal.aborted) return
    this.#end.abort()
    clearInterval(this.#beat)
    const reason = new RaftwayError('STOPPING', 'this node is stopping')
    this.#calls.close(reason)
    for (const link of [...this.#peers.values(), ...this.#guests.values()]) link.close(reason)
    for (const connection of this.#connections) connection.close(reason)
    await this.#listener.close()
  }

  #linkTo(id: NodeId): PeerLink | undefined {
    return this.#peers.get(id) ?? this.#guests.get(id)
  }

  /** Makes sure that there is one link to a member, and that it goes to where it is now. */
  #aim(id: NodeId): void {
    const address = this.#learned.get(id) ?? this.#members.get(id)
    if (address === undefined) return
    const link = this.#peers.get(id) ?? this.#guests.get(id)
    this.#guests.delete(id)
    if (link?.address.peer === address.peer) {
      this.#peers.set(id, link)
      return
    }
    this.#peers.set(id, this.#openLink(address))
    if (link !== undefined) this.#close(link)
  }

  #openLink(address: NodeAddress): PeerLink {
    const { id, peer } = address
    return new PeerLink(address, {
      dial: (adopt, signal) =>
        this.#dial({ peer, purpose: 'messages', expected: id, adopt, signal }),
      onHeard: () => this.#onHeard(id),
      onUnreachable: () => this.#options.handler.onUnreachable(id),
      random: this.#random,
      logger: this.#options.logger,
    })
  }

  async #dial(options: {
    readonly peer: string
    readonly purpose: Purpose
    readonly expected?: NodeId
    readonly adopt: Adopt
    readonly signal: AbortSignal
  }): Promise<void> {
    const { adopt, expected = null } = options
    await dial({
      ...options,
      expected,
      links: this.#links,
      self: this.#options.self(),
      protocols: this.#options.protocols ?? PROTOCOLS,
      adopt: (connection, peer) => {
        this.#connections.add(connection)
        return adopt(connection, peer)
      },
    })
  }

  #accept(link: Link): void {
    if (this.#end.signal.aborted || this.#inbound.size >= PEER_CONNECTIONS_MAX) {
      link.stream.destroy()
      return
    }
    this.#connections.add(this.#inbound.take(link))
  }

  /** A node of this cluster dialled in: it can be reached, and wants answers. */
  #onLink(peer: PeerIdentity): void {
    if (this.#members.has(peer.id)) {
      this.learn(peer)
      return this.#peers.get(peer.id)?.wake()
    }
    const guest = this.#guests.get(peer.id)
    if (guest?.address.peer === peer.peer) return guest.wake()
    if (guest !== undefined) this.#forget(peer.id, guest)
    this.#guests.set(peer.id, this.#openLink(peer))
  }

  #onUnlink(id: NodeId): void {
    const guest = this.#guests.get(id)
    this.#guests.delete(id)
    if (guest !== undefined) this.#forget(id, guest)
  }

  #onHeard(id: NodeId): void {
    // Strangers that only call are not remembered: their number has no bound.
    if (this.#linkTo(id) !== undefined) this.#heardMs.set(id, performance.now())
  }

  #forget(id: NodeId, link: PeerLink): void {
    this.#heardMs.delete(id)
    this.#close(link)
  }

  #close(link: PeerLink): void {
    link.close(unreachable(link.address.peer, 'no longer a member under this address'))
  }

  #onBeat(): void {
    const nowMs = performance.now()
    // After a long turn of this process timers fire before sockets are read: others are not silent, we were deaf.
    const lateMs = nowMs - this.#beatMs - PEER_PING_MS
    this.#beatMs = nowMs
    for (const connection of this.#connections) {
      if (lateMs > PEER_PING_MS) connection.forgive(lateMs)
      if (connection.isOpen) connection.beat(nowMs)
      else this.#connections.delete(connection)
    }
    this.#calls.sweep(nowMs)
  }
}

function isSameAddress(a: NodeAddress, b: NodeAddress): boolean {
  return (
    a.name === b.name && a.api === b.api && a.peer === b.peer && isSameRelease(a.release, b.release)
  )
}
