import { RaftwayError } from '../../shared/errors.ts'
import type { Frame } from '../../shared/framing.ts'
import { PEER_SNAPSHOTS_MAX, REFUSAL_LOG_MS } from '../../shared/limits.ts'
import type { Logger } from '../../shared/logger.ts'
import type { NodeId, PeerHandler, PeerIdentity, PeerNote } from '../ports.ts'
import { malformed } from './bytes.ts'
import { answerCalls } from './call-server.ts'
import { unreachable, type Connection, type ConnectionOwner } from './connection.ts'
import { receive } from './greeting.ts'
import type { Link } from './links.ts'
import { decodeMessage } from './message-codec.ts'
import { SnapshotReceiver } from './snapshot-receiver.ts'
import { decodeNote, FRAME, type Hello, type Protocols } from './wire.ts'

export type InboundParts = {
  readonly self: () => PeerIdentity
  readonly protocols: Protocols
  readonly handler: PeerHandler
  readonly logger: Logger
  readonly onHeard: (id: NodeId) => void
  /** A node of this cluster may send messages from now on. */
  readonly onLink: (peer: PeerIdentity) => void
  /** It has hung up. */
  readonly onUnlink: (id: NodeId) => void
  readonly onEnrol?: (call: PeerNote) => Promise<unknown>
}

/** The connections that others opened: who may have one, and where what arrives goes. */
export class Inbound {
  readonly #parts: InboundParts
  /** For messages: one a node, the latest. */
  readonly #links = new Map<NodeId, Connection>()
  #size = 0
  #snapshots = 0
  /** When a refusal was last worth a line. */
  #refusedMs = -Infinity

  constructor(parts: InboundParts) {
    this.#parts = parts
  }

  /** Connections open now, welcome or not yet. */
  get size(): number {
    return this.#size
  }

  hasLink(id: NodeId): boolean {
    return this.#links.has(id)
  }

  /** Takes a stream that someone opened. */
  take(link: Link): Connection {
    this.#size++
    link.stream.once('close', () => {
      this.#size--
    })
    const { self, protocols } = this.#parts
    return receive({
      link,
      self,
      protocols,
      decide: (hello, connection) => this.#decide(hello, connection),
      onRefused: (error) => this.#onRefused(link.remote, error),
    })
  }

  #onRefused(remote: string, error: RaftwayError): void {
    // A node that is just starting is no stranger.
    if (error.code === 'NOT_FORMED') return
    const nowMs = performance.now()
    if (nowMs - this.#refusedMs < REFUSAL_LOG_MS) return
    this.#refusedMs = nowMs
    this.#parts.logger.warn({ remote, code: error.code }, `refused a peer: ${error.message}`)
  }

  #decide(hello: Hello, connection: Connection): ConnectionOwner | RaftwayError {
    const { self, handler, logger } = this.#parts
    const { protocol: _max, protocolMin: _min, purpose, ...from } = hello
    const onHeard = () => this.#parts.onHeard(from.id)
    if (purpose === 'calls') {
      const onCall: PeerHandler['onCall'] = (...call) => handler.onCall(...call)
      return answerCalls({ connection, from, self, onCall, logger, onHeard })
    }
    if (purpose === 'enrol') {
      const { onEnrol } = this.#parts
      if (onEnrol === undefined) return new RaftwayError('PEER_REFUSED', 'nobody enrols here')
      const onCall: PeerHandler['onCall'] = (_from, call) => onEnrol(call)
      return answerCalls({ connection, from, self, onCall, logger, onHeard: () => {} })
    }
    const refusal = this.#refusal(from)
    if (refusal !== null) return refusal
    if (purpose === 'messages') return this.#takeMessages(from, connection)
    if (this.#snapshots >= PEER_SNAPSHOTS_MAX) {
      return new RaftwayError('OVERLOADED', `${PEER_SNAPSHOTS_MAX} snapshots are arriving already`)
    }
    this.#snapshots++
    const onEnd = () => {
      this.#snapshots--
    }
    return new SnapshotReceiver({ connection, from, handler, logger, onHeard, onEnd })
  }

  /** Why a node may only call. */
  #refusal(from: PeerIdentity): RaftwayError | null {
    const self = this.#parts.self()
    if (self.clusterId === null) {
      return new RaftwayError('NOT_FORMED', `${self.name} belongs to no cluster yet`)
    }
    if (from.clusterId === null) {
      return new RaftwayError('PEER_REFUSED', `${from.name} belongs to no cluster yet`)
    }
    if (from.id === self.id) {
      return new RaftwayError('PEER_REFUSED', `${from.name} has the id of ${self.name}`)
    }
    return null
  }

  #takeMessages(from: PeerIdentity, connection: Connection): ConnectionOwner {
    const old = this.#links.get(from.id)
    this.#links.set(from.id, connection)
    // What is left in the old one must not come after what the new one brings.
    old?.close(unreachable(connection.remote, 'the peer connected anew'))
    this.#parts.onLink(from)
    return {
      onHeard: () => this.#parts.onHeard(from.id),
      onFrame: (frame) => this.#onFrame(from.id, frame),
      onClose: (reason) => {
        if (this.#links.get(from.id) !== connection) return
        this.#links.delete(from.id)
        this.#parts.onUnlink(from.id)
        this.#parts.logger.debug({ id: from.id, name: from.name, err: reason }, 'a peer hung up')
      },
    }
  }

  #onFrame(from: NodeId, { type, payload }: Frame): void {
    if (type === FRAME.note) return this.#parts.handler.onNote(from, decodeNote(payload))
    if (type !== FRAME.message) throw malformed(`frame ${type} among messages`)
    const message = decodeMessage(payload)
    if (message.type === 'snap') throw malformed('a snapshot among messages')
    // Meant for whoever had this address before.
    if (message.to === this.#parts.self().id) this.#parts.handler.onMessage(message)
  }
}
