import type { Socket } from 'node:net'
import { INTERIM_ANSWERS_MAX, READ_BYTES } from '../../shared/limits.ts'
import type { ErrorCode } from '../../shared/errors.ts'
import type { Deadline } from '../deadlines.ts'
import { BODY, BodyReader } from '../http1/body-reader.ts'
import { HeadReader, MORE, REFUSED } from '../http1/head-reader.ts'
import { ResponseHead } from '../http1/response-head.ts'
import { CHUNKED_LINE, lastChunk, lengthLine } from '../http1/serialise.ts'
import { Outgoing } from '../outgoing.ts'
import { dial, readyEvent } from './dial.ts'
import type { Http1Call } from './http1-call.ts'
import { isIdempotent } from './retry-policy.ts'
import type { TargetPool } from './target-pool.ts'
import type { UpstreamRequest } from './upstream-connection.ts'

/**
 * Where all connections of the thread read to: what is read is dealt with before the next read, and what is kept of it is
 * copied. A buffer for each would cost 64 KiB a connection, one for each read most of what a small answer costs.
 */
const READ_BUFFER = Buffer.allocUnsafeSlow(READ_BYTES)

type Step = 'connecting' | 'idle' | 'head' | 'body' | 'gone'

/** One connection to a target, which carries one call at a time. */
export class TargetConnection {
  readonly #pool: TargetPool
  readonly #socket: Socket
  readonly #outgoing: Outgoing
  readonly #deadline: Deadline
  readonly #head = new ResponseHead()
  readonly #reader = new HeadReader(this.#head)
  readonly #body = new BodyReader()
  /** Made for a call that changes the protocol: its socket can be handed over, and is not used again. */
  readonly #forUpgrade: Http1Call | null
  #step: Step = 'connecting'
  #call: Http1Call | null = null
  /** Calls that it has carried before this one. */
  #carried = 0
  #interims = 0
  /** Something of the answer was read. */
  #hasAnswer = false
  #isRequestWhole = true
  #isBodyChunked = false
  #isPaused = false
  #error: Error | null = null

  constructor(pool: TargetPool, forUpgrade: Http1Call | null) {
    this.#pool = pool
    this.#forUpgrade = forUpgrade
    const onread =
      forUpgrade === null
        ? { buffer: READ_BUFFER, callback: (size: number) => this.#onBytes(READ_BUFFER, size) }
        : null
    const { session, tls } = pool
    const socket = dial(pool.target, { onread, session, tls, protocols: ['http/1.1'] })
    this.#socket = socket
    this.#outgoing = new Outgoing(socket, () => {})
    this.#deadline = pool.deadlines.create(this)
    this.#deadline.set(pool.connectMs)
    socket.once(readyEvent(pool.target), () => this.#onConnected())
    socket.on('session', (session: Buffer) => {
      pool.session = session
    })
    socket.on('drain', () => this.#call?.onWritable())
    socket.on('error', (error) => {
      this.#error ??= error
    })
    socket.on('end', () => this.#onEnd())
    socket.on('close', () => this.#onClose())
    if (forUpgrade !== null) socket.on('data', this.#onData)
  }

  /** Whether it has nothing to do and can carry a call. */
  get isUsable(): boolean {
    return this.#step === 'idle' && this.#error === null
  }

  /** Sends a call's request. */
  take(call: Http1Call): void {
    const { request } = call
    this.#call = call
    this.#step = 'head'
    this.#hasAnswer = false
    this.#interims = 0
    this.#isRequestWhole = request.bodyLength === 0
    this.#isBodyChunked = request.bodyLength === null
    call.onTaken(this)
    this.#outgoing.add(headOf(request))
    if (this.#isRequestWhole) this.#outgoing.flush()
    this.#deadline.set(request.firstByteMs)
    call.onReady()
  }

  writeBody(bytes: Buffer, from: number, to: number): boolean {
    if (this.#call === null) return true
    // As long as the body moves, the target need not have answered.
    if (!this.#hasAnswer) this.#deadline.set(this.#call.request.firstByteMs)
    return this.#outgoing.piece(bytes, from, to, this.#isBodyChunked)
  }

  endBody(trailers: string): void {
    if (this.#isRequestWhole) return
    this.#isRequestWhole = true
    if (this.#isBodyChunked) this.#outgoing.add(lastChunk(trailers))
    this.#outgoing.flush()
  }

  flush(): void {
    if (this.#outgoing.isPending) this.#outgoing.flush()
  }

  resume(): void {
    if (!this.#isPaused || this.#call === null) return
    this.#isPaused = false
    this.#deadline.set(this.#call.request.idleMs)
    this.#socket.resume()
  }

  /** The call was given up: what the target still says belongs to nobody. */
  abandon(): void {
    this.#call = null
    this.close()
  }

  close(): void {
    if (this.#step === 'gone') return
    this.#step = 'gone'
    this.#deadline.remove()
    this.#socket.destroy()
    this.#pool.onGone(this)
  }

  onDeadline(): void {
    if (this.#step === 'idle') this.close()
    else this.#fail('UPSTREAM_TIMEOUT', `nothing came in time (${this.#step})`)
  }

  #onConnected(): void {
    if (this.#step !== 'connecting') return
    this.#step = 'idle'
    this.#deadline.clear()
    this.#pool.onConnected(this, this.#forUpgrade)
  }

  /** What came, for a socket that gives `data` events. */
  readonly #onData = (bytes: Buffer): void => {
    // A socket that was handed over is somebody else's by now.
    if (!this.#onBytes(bytes, bytes.length) && this.#step !== 'gone') this.#socket.pause()
  }

  /** Takes what came. False: read no more until `resume`. */
  #onBytes(bytes: Buffer, end: number): boolean {
    const call = this.#call
    if (call === null) {
      // Nobody has asked: the next call could take it for its answer.
      this.close()
      return false
    }
    this.#hasAnswer = true
    let at = 0
    if (this.#step === 'head') {
      at = this.#readHeads(call, bytes, end)
      if (at === MORE) return true
      if (at === REFUSED) return false
    }
    return this.#readBody(call, bytes, at, end)
  }

  /** Reads interim heads and the head. Gives where the body begins; MORE; or REFUSED when the connection is gone. */
  #readHeads(call: Http1Call, bytes: Buffer, end: number): number {
    for (let at = 0; at < end;) {
      const next = this.#reader.read(bytes, at, end)
      if (next === MORE) return MORE
      if (next === REFUSED) {
        const reason = this.#head.refusal?.message ?? 'the head is malformed'
        this.#fail('UPSTREAM_BAD_RESPONSE', reason)
        return REFUSED
      }
      at = next
      if (this.#head.status >= 200) {
        this.#begin(call)
        return this.#call === call ? at : REFUSED
      }
      if (!this.#interim(call, bytes, at, end)) return REFUSED
    }
    return MORE
  }

  #begin(call: Http1Call): void {
    const head = this.#head
    const bodyEnd = head.bodyEnd(call.request.method)
    if (bodyEnd === 'chunks') this.#body.beginChunks()
    else if (bodyEnd === 'close') this.#body.beginClose()
    else this.#body.beginLength(bodyEnd === 'length' ? (head.framing.contentLength ?? 0) : 0)
    this.#step = 'body'
    call.onStart(head.status, head.fields, head.framing.contentLength)
  }

  /** RFC 9110 15.2. False: the connection is no longer this one's. */
  #interim(call: Http1Call, bytes: Buffer, at: number, end: number): boolean {
    const { status, fields } = this.#head
    this.#interims += 1
    if (this.#interims > INTERIM_ANSWERS_MAX) {
      this.#fail('UPSTREAM_BAD_RESPONSE', 'there are too many interim answers')
      return false
    }
    if (status === 101) {
      this.#upgrade(call, bytes.subarray(at, end))
      return false
    }
    call.onInterim(status, fields)
    if (this.#call !== call) return false
    this.#reader.reset()
    return true
  }

  #upgrade(call: Http1Call, rest: Buffer): void {
    if (this.#forUpgrade !== call || !this.#isRequestWhole) {
      this.#fail('UPSTREAM_BAD_RESPONSE', 'the protocol was changed, which nobody had asked for')
      return
    }
    const socket = this.#socket
    this.#step = 'gone'
    this.#call = null
    this.#deadline.remove()
    this.#pool.onGone(this)
    socket.removeAllListeners('data')
    socket.removeAllListeners('drain')
    socket.pause()
    if (rest.length > 0) socket.unshift(rest)
    call.onUpgrade(this.#head.fields, socket)
  }

  #readBody(call: Http1Call, bytes: Buffer, from: number, end: number): boolean {
    const body = this.#body
    let isFlowing = true
    for (let at = from; ; at = body.at) {
      const event = body.next(bytes, at, end)
      if (event === BODY.PIECE) {
        if (!call.onData(bytes, body.start, body.end)) isFlowing = false
        if (this.#call !== call) return false
      } else if (event === BODY.END) {
        return this.#finish(call, body.at < end)
      } else if (event === BODY.REFUSED) {
        this.#fail('UPSTREAM_BAD_RESPONSE', body.refusal?.message ?? 'the body is malformed')
        return false
      } else {
        break
      }
    }
    call.onPause()
    if (this.#call !== call) return false
    if (isFlowing) this.#deadline.set(call.request.idleMs)
    // From here on the client is waited for, by whoever holds it.
    else this.#deadline.clear()
    this.#isPaused = !isFlowing
    return isFlowing
  }

  /** The answer is whole. False: the connection is closed. */
  #finish(call: Http1Call, hasSurplus: boolean): boolean {
    const { trailers } = this.#body
    const head = this.#head
    const mayStay =
      head.isPersistent &&
      this.#isRequestWhole &&
      !hasSurplus &&
      this.#forUpgrade === null &&
      !this.#body.endsWithConnection
    this.#call = null
    const idleMs = mayStay ? this.#idleMs() : 0
    if (idleMs === 0) {
      call.onEnd(trailers)
      this.close()
      return false
    }
    this.#carried += 1
    this.#step = 'idle'
    this.#reader.reset()
    this.#deadline.set(idleMs)
    // First the connection, then the call: what its end sets off may use the connection again.
    this.#pool.onIdle(this)
    call.onEnd(trailers)
    return true
  }

  /** How long it is kept unused: as the upstream says, and less than the target says that it does. */
  #idleMs(): number {
    const seconds = this.#head.keepAliveSeconds
    if (seconds === null) return this.#pool.keepAliveMs
    return Math.min(this.#pool.keepAliveMs, Math.max(seconds * 1_000 - 1_000, seconds * 500))
  }

  #onEnd(): void {
    const call = this.#call
    if (this.#step === 'body' && call !== null && this.#body.endsWithConnection) {
      this.#finish(call, false)
      return
    }
    if (call === null && this.#step !== 'connecting') this.close()
    else this.#fail('UPSTREAM_UNREACHABLE', 'the target closed the connection')
  }

  #onClose(): void {
    if (this.#step === 'gone') return
    const error: (Error & { code?: unknown }) | null = this.#error
    const code = error?.code === 'ETIMEDOUT' ? 'UPSTREAM_TIMEOUT' : 'UPSTREAM_UNREACHABLE'
    this.#fail(code, error?.message ?? 'the connection closed')
  }

  #fail(code: ErrorCode, detail: string): void {
    const call = this.#call
    const isConnecting = this.#step === 'connecting'
    this.#call = null
    this.close()
    if (isConnecting) {
      this.#pool.onConnectFailed({ code, detail }, this.#forUpgrade)
      return
    }
    if (call === null) return
    // RFC 9110 9.2.2, RFC 9112 9.3.1: the target closed a connection that had been unused, and had not seen the request.
    const isStale = this.#carried > 0 && !this.#hasAnswer && code === 'UPSTREAM_UNREACHABLE'
    const mayReplay = call.request.bodyLength === 0 && isIdempotent(call.request.method)
    if (isStale && mayReplay && this.#pool.replay(call)) return
    call.onError({ code, detail })
  }
}

function headOf(request: UpstreamRequest): string {
  const { method, path, host, lines, bodyLength, upgrade } = request
  let framing = ''
  if (bodyLength === null) framing = CHUNKED_LINE
  else if (bodyLength > 0 || expectsBody(method)) framing = lengthLine(bodyLength)
  if (request.expectsContinue) framing += 'Expect: 100-continue\r\n'
  if (upgrade !== null) framing += `Connection: Upgrade\r\nUpgrade: ${upgrade}\r\n`
  return `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\n${lines}${framing}\r\n`
}

/** Methods whose request says that it has no body rather than leaving it open (RFC 9110 8.6). */
function expectsBody(method: string): boolean {
  return method === 'POST' || method === 'PUT' || method === 'PATCH'
}
