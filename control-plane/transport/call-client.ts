import { RaftwayError } from '../../shared/errors.ts'
import type { Frame } from '../../shared/framing.ts'
import { PEER_CALL_IDLE_MS_MAX, PEER_CALLS_MAX } from '../../shared/limits.ts'
import type { PeerIdentity, PeerNote } from '../ports.ts'
import { malformed } from './bytes.ts'
import type { Connection } from './connection.ts'
import type { Adopt } from './greeting.ts'
import { decodeAnswer, decodeError, encodeJson, FRAME, toRaftwayError } from './wire.ts'

export type CallAnswer = { readonly from: PeerIdentity; readonly body: unknown }

type Waiting = {
  readonly resolve: (answer: CallAnswer) => void
  readonly reject: (error: unknown) => void
}

export type CallClientParts = {
  /** Opens a connection for calls to `HOST:PORT`; as `dial`. */
  readonly dial: (peer: string, adopt: Adopt, signal: AbortSignal) => Promise<void>
  readonly self: () => PeerIdentity
}

/** Calls to other nodes, members or not: one connection an address, kept while it is used. */
export class CallClient {
  readonly #parts: CallClientParts
  readonly #links = new Map<string, CallLink>()
  #waiting = 0
  #closed: RaftwayError | null = null

  constructor(parts: CallClientParts) {
    this.#parts = parts
  }

  /** PEER_UNREACHABLE, PEER_REFUSED, TIMEOUT, OVERLOADED, STOPPING, BODY_TOO_LARGE, or what the peer answered with. */
  async call(peer: string, note: PeerNote, timeoutMs: number): Promise<CallAnswer> {
    if (this.#closed !== null) throw this.#closed
    if (this.#waiting >= PEER_CALLS_MAX) {
      throw new RaftwayError('OVERLOADED', `${PEER_CALLS_MAX} calls wait for answers already`)
    }
    this.#waiting++
    try {
      return await this.#link(peer).call(note, timeoutMs)
    } finally {
      this.#waiting--
    }
  }

  /** Closes links that nobody used lately. */
  sweep(nowMs: number): void {
    for (const link of this.#links.values()) link.closeIfIdle(nowMs)
  }

  close(reason: RaftwayError): void {
    this.#closed = reason
    for (const link of this.#links.values()) link.close(reason)
  }

  #link(peer: string): CallLink {
    const { clusterId } = this.#parts.self()
    const open = this.#links.get(peer)
    // What this node said of itself when it connected is what the other side goes by.
    if (open !== undefined && open.clusterId === clusterId) return open
    const link: CallLink = new CallLink({
      peer,
      clusterId,
      dial: this.#parts.dial,
      onClose: () => {
        if (this.#links.get(peer) === link) this.#links.delete(peer)
      },
    })
    this.#links.set(peer, link)
    open?.closeWhenDone()
    return link
  }
}

/** One connection for calls: from dialling to its end, never opened again. */
class CallLink {
  readonly clusterId: string | null
  readonly #peer: string
  readonly #onClose: () => void
  readonly #end = new AbortController()
  readonly #waiting = new Map<number, Waiting>()
  /** Frames of calls made while dialling. */
  #queue: Uint8Array[] = []
  #connection: Connection | null = null
  #from: PeerIdentity | null = null
  #lastId = 0
  #usedMs = performance.now()
  #isLastCall = false

  constructor(options: {
    readonly peer: string
    readonly clusterId: string | null
    readonly dial: CallClientParts['dial']
    readonly onClose: () => void
  }) {
    this.#peer = options.peer
    this.clusterId = options.clusterId
    this.#onClose = options.onClose
    const adopt: Adopt = (connection, peer) => this.#open(connection, peer)
    // A failure is told to everyone who waits; the promise itself is handled here.
    void options
      .dial(options.peer, adopt, this.#end.signal)
      .catch((error: unknown) => this.#fail(error))
  }

  call(note: PeerNote, timeoutMs: number): Promise<CallAnswer> {
    const id = ++this.#lastId
    const frame = encodeJson(FRAME.call, { id, type: note.type, body: note.body ?? null })
    this.#usedMs = performance.now()
    if (this.#connection === null) this.#queue.push(frame)
    else this.#connection.send(frame)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id)
        reject(
          new RaftwayError(
            'TIMEOUT',
            `${this.#peer} did not answer ${note.type} in ${timeoutMs} ms`,
          ),
        )
        this.#maybeClose()
      }, timeoutMs)
      this.#waiting.set(id, {
        resolve: (answer) => {
          clearTimeout(timer)
          resolve(answer)
        },
        reject: (error) => {
          clearTimeout(timer)
          reject(error)
        },
      })
    })
  }

  closeIfIdle(nowMs: number): void {
    if (this.#waiting.size > 0 || nowMs - this.#usedMs < PEER_CALL_IDLE_MS_MAX) return
    this.close(new RaftwayError('PEER_UNREACHABLE', `${this.#peer}: the connection was idle`))
  }

  /** No calls will follow. */
  closeWhenDone(): void {
    this.#isLastCall = true
    this.#maybeClose()
  }

  close(reason: RaftwayError): void {
    this.#fail(reason)
    this.#end.abort()
    this.#connection?.close(reason)
  }

  #open(connection: Connection, peer: PeerIdentity): ReturnType<Adopt> {
    this.#connection = connection
    this.#from = peer
    for (const frame of this.#queue) connection.send(frame)
    this.#queue = []
    return {
      onFrame: (frame) => this.#onFrame(frame, peer),
      onClose: (reason) => this.#fail(reason),
    }
  }

  #onFrame({ type, payload }: Frame, peer: PeerIdentity): void {
    this.#usedMs = performance.now()
    if (type === FRAME.answer) {
      const { id, clusterId, body } = decodeAnswer(payload)
      // A node forms or joins while connections stand: who it is now comes with the answer.
      this.#from = this.#from?.clusterId === clusterId ? this.#from : { ...peer, clusterId }
      this.#take(id)?.resolve({ from: this.#from, body })
    } else if (type === FRAME.error) {
      const error = decodeError(payload)
      this.#take(error.id ?? -1)?.reject(toRaftwayError(error))
    } else {
      throw malformed(`frame ${type} among answers`)
    }
    this.#maybeClose()
  }

  /** Nothing for a call that timed out before. */
  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    return waiting
  }

  #maybeClose(): void {
    if (!this.#isLastCall || this.#waiting.size > 0) return
    this.close(new RaftwayError('PEER_UNREACHABLE', `${this.#peer}: no longer used`))
  }

  #fail(error: unknown): void {
    this.#onClose()
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    this.#queue = []
    for (const { reject } of waiting) reject(error)
  }
}
