import type {
  Message,
  NodeAddress,
  NodeId,
  OutgoingSnapshot,
  PeerHandler,
  PeerIdentity,
  PeerNote,
  Transport,
} from '../../control-plane/ports.ts'
import type { MessageOf } from '../../control-plane/raft/messages.ts'
import { decodeMessage, encodeMessage } from '../../control-plane/transport/message-codec.ts'
import { isRaftwayError, RaftwayError } from '../../shared/errors.ts'
import type { Life } from './life.ts'
import type { Network } from './network.ts'
import { carrySnapshot } from './snapshot-way.ts'

/** A process that listens at a peer address. */
export type Listener = {
  readonly machine: string
  readonly life: Life
  readonly handler: PeerHandler
  readonly transport: VirtualTransport
  self(): PeerIdentity
}

export type TransportParts = {
  readonly machine: string
  readonly life: Life
  readonly network: Network
  readonly handler: PeerHandler
  readonly self: () => PeerIdentity
  /** Who listens at an address now. */
  readonly listenerAt: (peer: string) => Listener | null
  /** Name of the machine that an address belongs to, whether anything listens there or not. */
  readonly machineAt: (peer: string) => string
  /** Hears of every message when it is sent. */
  readonly onSend: (message: Message) => void
}

/** Who sends, and which of its processes. */
export type Sender = PeerIdentity & { readonly life: string }

/** A connection that said nothing for longer may be gone. */
const HEARD_MS = 1_000

/** The links of one process to others, as `TcpTransport` makes them: to members, and to whoever talks to it. */
export class VirtualTransport implements Transport {
  readonly #parts: TransportParts
  #members = new Map<NodeId, NodeAddress>()
  /** Where members say that they are, when that is news. */
  readonly #learned = new Map<NodeId, NodeAddress>()
  /** The newest process of each node that was heard: what an older one sent comes late. */
  readonly #lives = new Map<NodeId, string>()
  /** Nodes that talk to this one and are no members that it knows of. */
  readonly #guests = new Map<NodeId, NodeAddress>()
  readonly #heardMs = new Map<NodeId, number>()

  constructor(parts: TransportParts) {
    this.#parts = parts
  }

  send(message: Message): boolean {
    const address = this.#addressOf(message.to)
    if (address === undefined || this.#parts.life.isOver) return false
    this.#parts.onSend(message)
    const bytes = encodeMessage(message)
    this.#post(address, `${message.type} ${message.term}`, (target, from) =>
      target.transport.receive(from, () => target.handler.onMessage(decodeMessage(bytes))),
    )
    return true
  }

  sendNote(to: NodeId, note: PeerNote): boolean {
    const address = this.#addressOf(to)
    if (address === undefined || this.#parts.life.isOver) return false
    const text = JSON.stringify({ type: note.type, body: note.body ?? null })
    this.#post(address, `note ${note.type}`, (target, from) =>
      target.transport.receive(from, () =>
        target.handler.onNote(from.id, JSON.parse(text) as PeerNote),
      ),
    )
    return true
  }

  call(
    peer: string,
    note: PeerNote,
    timeoutMs: number,
  ): Promise<{ readonly from: PeerIdentity; readonly body: unknown }> {
    const { life, network, machine, machineAt, listenerAt, self } = this.#parts
    const text = JSON.stringify({ type: note.type, body: note.body ?? null })
    const from = self()
    const to = machineAt(peer)
    return new Promise((resolve, reject) => {
      const cancel = life.after(timeoutMs, () =>
        reject(new RaftwayError('TIMEOUT', `${peer} did not answer ${note.type}`)),
      )
      const back = (label: string, settle: () => void) =>
        network.send({
          from: to,
          to: machine,
          label: `${to}>${machine} ${label}`,
          arrive: () =>
            life.enter(() => {
              cancel()
              settle()
            }),
        })
      const broken = () =>
        back('reset', () => reject(new RaftwayError('PEER_UNREACHABLE', `${peer} is gone`)))
      network.send({
        from: machine,
        to,
        label: `${machine}>${to} call ${note.type}`,
        arrive: () => {
          const target = listenerAt(peer)
          if (target === null || network.breaks()) return broken()
          const stop = target.life.onEnd(broken)
          const onAnswer = (body: unknown): void => {
            stop()
            const answer = JSON.stringify(body ?? null)
            const answers = target.self()
            back('answer', () => resolve({ from: answers, body: JSON.parse(answer) as unknown }))
          }
          const onError = (error: unknown): void => {
            stop()
            back('error', () => reject(copyOf(error)))
          }
          target.life.enter(() => {
            const call = JSON.parse(text) as PeerNote
            target.handler.onCall(from, call).then(onAnswer, onError)
          })
        },
      })
    })
  }

  async sendSnapshot(message: MessageOf<'snap'>, snapshot: OutgoingSnapshot): Promise<void> {
    const address = this.#addressOf(message.to)
    if (address === undefined)
      throw new RaftwayError('PEER_UNREACHABLE', `no address of ${message.to} is known`)
    this.#parts.onSend(message)
    await carrySnapshot({ ...this.#parts, to: address, message, snapshot })
  }

  setPeers(peers: readonly NodeAddress[]): void {
    const self = this.#parts.self().id
    const wanted = new Map(peers.filter(({ id }) => id !== self).map((peer) => [peer.id, peer]))
    for (const [id, learned] of this.#learned) {
      const now = wanted.get(id)
      const before = this.#members.get(id)
      const isNews = now === undefined || before === undefined || !isSame(now, before)
      const isStale = isNews && !this.#isHeard(id)
      if (now === undefined || isSame(now, learned) || isStale) this.#learned.delete(id)
    }
    // Whoever still talks to this node gets answers: this node may be the one that is behind.
    for (const [id, peer] of this.#members)
      if (!wanted.has(id) && this.#isHeard(id)) this.#guests.set(id, peer)
    const guests = [...this.#guests.values()].filter(({ id }) => wanted.has(id))
    this.#members = wanted
    for (const guest of guests) {
      this.#guests.delete(guest.id)
      if (this.#isHeard(guest.id)) this.learn(guest)
    }
  }

  learn(address: NodeAddress): void {
    const { id, name, api, peer } = address
    const member = this.#members.get(id)
    if (member === undefined || peer === '') return
    if (isSame(member, address)) this.#learned.delete(id)
    else this.#learned.set(id, { id, name, api, peer })
  }

  learned(id: NodeId): NodeAddress | null {
    return this.#learned.get(id) ?? null
  }

  lastHeardMs(id: NodeId): number | null {
    const heardMs = this.#heardMs.get(id)
    return heardMs === undefined ? null : Math.max(0, this.#parts.life.monotonic() - heardMs)
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  /** Something of another node arrives: only a node of the same cluster may send. */
  receive(from: Sender, deliver: () => void): void {
    const { life, self } = this.#parts
    life.enter(() => {
      const own = self()
      if (own.clusterId === null || from.clusterId !== own.clusterId) return
      this.#heardMs.set(from.id, life.monotonic())
      const isNew = this.#lives.get(from.id) !== from.life
      this.#lives.set(from.id, from.life)
      if (!this.#members.has(from.id)) this.#guests.set(from.id, from)
      else if (isNew) this.learn(from)
      deliver()
    })
  }

  #addressOf(id: NodeId): NodeAddress | undefined {
    return this.#learned.get(id) ?? this.#members.get(id) ?? this.#guests.get(id)
  }

  #isHeard(id: NodeId): boolean {
    return (this.lastHeardMs(id) ?? Infinity) < HEARD_MS
  }

  #post(
    address: NodeAddress,
    label: string,
    deliver: (target: Listener, from: Sender) => void,
  ): void {
    const { machine, network, listenerAt, machineAt, self, life, handler } = this.#parts
    const from = { ...self(), life: life.name }
    const to = machineAt(address.peer)
    network.post({
      from: machine,
      to,
      label: `${machine}>${to} ${label}`,
      arrive: () => {
        const target = listenerAt(address.peer)
        if (target !== null && target.self().id === address.id) return deliver(target, from)
        // Nobody listens, or another node: the link is refused.
        life.in(network.delayMs(), '', () => handler.onUnreachable(address.id))
      },
    })
  }
}

/** An error as it comes over the wire. */
function copyOf(error: unknown): Error {
  if (isRaftwayError(error))
    return new RaftwayError(error.code, error.message, { extra: error.extra })
  return new RaftwayError('INTERNAL', error instanceof Error ? error.message : String(error))
}

function isSame(a: NodeAddress, b: NodeAddress): boolean {
  return a.name === b.name && a.api === b.api && a.peer === b.peer
}
