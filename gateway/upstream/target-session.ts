import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import {
  HTTP2_CONNECTION_MIB_MAX,
  HTTP2_CONNECTION_WINDOW_BYTES,
  HTTP2_HEAD_BYTES_MAX,
  HTTP2_HEAD_FIELDS_MAX,
  HTTP2_STREAM_WINDOW_BYTES,
  HTTP2_TARGET_STREAMS_MAX,
} from '../../shared/limits.ts'
import type { ErrorCode } from '../../shared/errors.ts'
import type { Deadline } from '../deadlines.ts'
import { dial, readyEvent } from './dial.ts'
import type { Http2Call } from './http2-call.ts'
import type { Http2Pool } from './http2-pool.ts'

const { NGHTTP2_CANCEL } = constants

const SESSION = {
  maxSessionMemory: HTTP2_CONNECTION_MIB_MAX,
  maxHeaderListPairs: HTTP2_HEAD_FIELDS_MAX,
  strictSingleValueFields: false,
  settings: {
    enablePush: false,
    maxHeaderListSize: HTTP2_HEAD_BYTES_MAX,
    initialWindowSize: HTTP2_STREAM_WINDOW_BYTES,
  },
}

/** `leaving`: takes no further call, and ends with its last one. */
type Step = 'connecting' | 'ready' | 'leaving' | 'gone'

/** One connection to a target on which HTTP/2 is spoken; carries as many calls at a time as the target allows. */
export class TargetSession {
  readonly #pool: Http2Pool
  readonly #socket: Socket
  readonly #deadline: Deadline
  #session: ClientHttp2Session | null = null
  #step: Step = 'connecting'
  /** Calls under way. 0 ≤ streams. */
  #streams = 0
  #carried = 0
  #streamsMax = 0
  #takesWebSocket = false
  /** Streams above it were never looked at by the target, as it says itself. */
  #lastStream = Number.POSITIVE_INFINITY
  /** Whether the target is still there was asked, and not answered yet. */
  #isAsked = false
  #error: Error | null = null

  /** Throws like `dial`. */
  constructor(pool: Http2Pool) {
    this.#pool = pool
    const { session, tls, onHttp1 } = pool
    const protocols = onHttp1 === null ? (['h2'] as const) : (['h2', 'http/1.1'] as const)
    const socket = dial(pool.target, { onread: null, session, tls, protocols })
    this.#deadline = pool.deadlines.create(this)
    this.#deadline.set(pool.connectMs)
    this.#socket = socket
    // RFC 9113 knows no half of a connection.
    socket.allowHalfOpen = false
    socket.once(readyEvent(pool.target), () => this.#onConnected())
    socket.on('session', (made: Buffer) => {
      pool.session = made
    })
    socket.on('error', (error) => this.#noteError(error))
    socket.on('close', () => this.#leave('the connection closed'))
  }

  /** Whether it can carry another call. */
  get hasRoom(): boolean {
    return this.#step === 'ready' && !this.isGone && this.#streams < this.#streamsMax
  }

  /** Whether the target takes WebSocket on a stream (RFC 8441 3). */
  get takesWebSocket(): boolean {
    return this.#takesWebSocket
  }

  /** Whether it has carried calls before those that are under way. */
  get isUsed(): boolean {
    return this.#carried > 0
  }

  get isGone(): boolean {
    return this.#step === 'gone' || this.#session?.destroyed === true
  }

  /** Whether the target has said that it never looked at a stream. */
  isUnseen(stream: ClientHttp2Stream): boolean {
    return (stream.id ?? 0) > this.#lastStream
  }

  /** Begins the stream of a call, which takes it from there. */
  take(call: Http2Call, head: readonly string[]): ClientHttp2Stream | null {
    if (this.#session === null) return null
    const { bodyLength, upgrade } = call.request
    this.#streams += 1
    this.#deadline.clear()
    const stream = this.#session.request(head, {
      endStream: bodyLength === 0 && upgrade === null,
      waitForTrailers: bodyLength === null,
    })
    stream.on('close', () => this.#onStreamClosed())
    return stream
  }

  /** An answer did not come in time: if the target is gone altogether, further calls must not wait for it. */
  ask(): void {
    if (this.#session === null || this.#isAsked || this.#session.destroyed) return
    this.#isAsked = true
    this.#deadline.set(this.#pool.connectMs)
    this.#session.ping((error) => {
      this.#isAsked = false
      if (error === null) this.#rest()
    })
  }

  /** Takes no further call; those under way are finished. */
  release(): void {
    if (this.#step === 'connecting') {
      this.destroy()
      return
    }
    if (this.#step !== 'ready') return
    this.#step = 'leaving'
    this.#pool.onLeaving(this)
    this.#session?.close()
  }

  destroy(): void {
    if (this.#session === null) this.#socket.destroy()
    else this.#session.destroy()
    this.#leave('given up')
  }

  onDeadline(): void {
    if (this.#step === 'connecting') {
      this.#fail('UPSTREAM_TIMEOUT', 'the connection took too long')
      this.destroy()
    } else if (this.#isAsked) {
      this.destroy()
    } else {
      this.release()
    }
  }

  #onConnected(): void {
    const socket = this.#socket
    if (this.#step !== 'connecting') return
    const { isTls } = this.#pool.target
    if (isTls && 'alpnProtocol' in socket && socket.alpnProtocol !== 'h2') {
      this.#pool.onHttp1?.()
      this.#fail('UPSTREAM_PROTOCOL', 'the target did not agree to speak HTTP/2')
      socket.destroy()
      return
    }
    const authority = isTls ? 'https://target' : 'http://target'
    const session = connect(authority, { ...SESSION, createConnection: () => socket })
    this.#session = session
    session.on('remoteSettings', ({ maxConcurrentStreams, enableConnectProtocol }) => {
      this.#takesWebSocket = enableConnectProtocol === true
      this.#onSettings(maxConcurrentStreams)
    })
    session.on('goaway', (_code, lastStream) => {
      this.#lastStream = lastStream
      this.release()
    })
    session.on('error', (error) => this.#noteError(error))
    session.on('close', () => this.#leave('the connection closed'))
    session.setLocalWindowSize(HTTP2_CONNECTION_WINDOW_BYTES)
  }

  /** They come first of all: a target that sends none does not speak HTTP/2, and has not seen a request. */
  #onSettings(streamsMax: number | undefined): void {
    this.#streamsMax = Math.min(streamsMax ?? HTTP2_TARGET_STREAMS_MAX, HTTP2_TARGET_STREAMS_MAX)
    if (this.#step === 'connecting') {
      this.#step = 'ready'
      this.#rest()
      this.#pool.onConnected(this)
    } else if (this.hasRoom) {
      this.#pool.onRoom()
    }
  }

  #onStreamClosed(): void {
    this.#streams -= 1
    this.#carried += 1
    this.#rest()
    if (this.hasRoom) this.#pool.onRoom()
  }

  /** How long it is kept while nothing is under way. */
  #rest(): void {
    if (this.#isAsked || this.#step === 'gone') return
    if (this.#streams === 0) this.#deadline.set(this.#pool.keepAliveMs)
    else this.#deadline.clear()
  }

  #noteError(error: Error): void {
    this.#error ??= error
  }

  #fail(code: ErrorCode, detail: string): void {
    if (this.#step !== 'connecting') return
    this.#step = 'gone'
    this.#deadline.remove()
    this.#pool.onConnectFailed({ code, detail })
  }

  #leave(reason: string): void {
    const isDead = this.#step === 'connecting'
    this.#fail('UPSTREAM_UNREACHABLE', this.#error?.message ?? reason)
    if (isDead || this.#step === 'gone') return
    this.#step = 'gone'
    this.#deadline.remove()
    this.#pool.onGone(this)
  }
}

/**
 * Ends a stream whose answer nobody wants any more. One whose request is not whole is broken off: to close it would first end
 * the request in order, as if there were no more of it.
 */
export function cancelStream(stream: ClientHttp2Stream): void {
  if (stream.closed || stream.destroyed) return
  if (stream.writableEnded) stream.close(NGHTTP2_CANCEL)
  else stream.destroy(new Error('the request was given up'))
}
