import { connect, type Socket } from 'node:net'
import { FORWARD_CONNECT_MS_MAX, FORWARD_MS_MAX } from '../../shared/limits.ts'
import type { Answer } from './answer.ts'
import { NOT_CONNECTED, type ForwardedRequest } from './forward.ts'

/** Unused for so long, a connection is closed: before the other side does it while a call is on its way. */
const IDLE_MS_MAX = 3_000
const SWEEP_MS = 500
/** Headers of the leader's answer that go on to the client. */
const PASSED_HEADERS = ['etag', 'retry-after'] as const
const NO_BYTES = Buffer.alloc(0)

type Waiting = {
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: unknown) => void
  readonly sentMs: number
}

/**
 * One connection to the leader for calls that may be repeated: requests of one turn leave in one system call, without
 * waiting for the answers to those before them, and answers come in their order. When it breaks every call on it fails.
 */
export class LeaderLane {
  readonly #socket: Socket
  readonly #host: string
  readonly #timer: NodeJS.Timeout
  readonly #onEnd: () => void
  /** In the order of their requests. */
  #waiting: Waiting[] = []
  #bytes: Buffer = NO_BYTES
  #isConnected = false
  #isCorked = false
  #failure: Error | null = null
  #usedMs = performance.now()

  /** Connects to the API at `origin`, such as `http://127.0.0.1:7400`. `onEnd`: nothing can be sent any more. */
  constructor(origin: string, onEnd: () => void) {
    const { hostname, port, host } = new URL(origin)
    this.#host = host
    this.#onEnd = onEnd
    this.#socket = connect({
      host: hostname.replace(/^\[|\]$/g, ''),
      port: port === '' ? 80 : Number(port),
      noDelay: true,
    })
    this.#socket.once('connect', () => {
      this.#isConnected = true
    })
    this.#socket.on('data', (chunk: Buffer) => this.#onData(chunk))
    this.#socket.on('error', (error) => this.#fail(error))
    this.#socket.on('close', () => this.#fail(new Error('the leader closed the connection')))
    this.#timer = setInterval(() => this.#sweep(), SWEEP_MS)
    this.#timer.unref()
  }

  /** Calls under way. */
  get load(): number {
    return this.#waiting.length
  }

  send(request: ForwardedRequest): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== null) {
        reject(this.#failure)
        return
      }
      this.#usedMs = performance.now()
      this.#waiting.push({ resolve, reject, sentMs: this.#usedMs })
      // Whoever is not waited for any more has all others on this connection tried elsewhere as well.
      request.signal.addEventListener('abort', () => this.close(), { once: true })
      this.#cork()
      this.#socket.write(headOf(request, this.#host), 'latin1')
      if (request.body.length > 0) this.#socket.write(request.body)
    })
  }

  close(): void {
    this.#fail(new Error('the connection to the leader was given up'))
  }

  /** In the check phase everything that is ready to be read now has been read, and what it asked for was written. */
  #cork(): void {
    if (this.#isCorked) return
    this.#isCorked = true
    this.#socket.cork()
    setImmediate(() => {
      this.#isCorked = false
      this.#socket.uncork()
    })
  }

  #onData(chunk: Buffer): void {
    const bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk])
    let at = 0
    try {
      for (let read = readAnswer(bytes, at); read !== null; read = readAnswer(bytes, at)) {
        at = read.end
        this.#waiting.shift()?.resolve(read.answer)
      }
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)))
      return
    }
    this.#bytes = at === bytes.length ? NO_BYTES : bytes.subarray(at)
  }

  #sweep(): void {
    const nowMs = performance.now()
    const [oldest] = this.#waiting
    if (oldest === undefined) {
      if (nowMs - this.#usedMs > IDLE_MS_MAX) this.close()
    } else if (!this.#isConnected && nowMs - oldest.sentMs > FORWARD_CONNECT_MS_MAX) {
      this.#fail(new Error('the leader cannot be connected to'))
    } else if (nowMs - oldest.sentMs > FORWARD_MS_MAX) {
      this.#fail(new Error(`the leader did not answer in ${FORWARD_MS_MAX} ms`))
    }
  }

  #fail(cause: Error): void {
    if (this.#failure !== null) return
    // Whatever happened before there was a connection: no request has left.
    this.#failure = this.#isConnected
      ? cause
      : Object.assign(new Error(cause.message, { cause }), { code: NOT_CONNECTED })
    clearInterval(this.#timer)
    this.#socket.destroy()
    const waiting = this.#waiting
    this.#waiting = []
    this.#onEnd()
    for (const { reject } of waiting) reject(this.#failure)
  }
}

function headOf({ method, target, headers, body }: ForwardedRequest, host: string): string {
  let head = `${method} ${target} HTTP/1.1\r\nHost: ${host}\r\n`
  for (const [name, value] of Object.entries(headers)) head += `${name}: ${value}\r\n`
  if (body.length > 0 || method !== 'DELETE') head += `Content-Length: ${body.length}\r\n`
  return `${head}\r\n`
}

/** The answer that begins at `from`, or null when it is not whole. Throws on one without a length. */
function readAnswer(
  bytes: Buffer,
  from: number,
): { readonly answer: Answer; readonly end: number } | null {
  const headEnd = bytes.indexOf('\r\n\r\n', from, 'latin1')
  if (headEnd === -1) return null
  const head = bytes.toString('latin1', from, headEnd)
  const length = fieldOf(head, 'content-length')
  if (length === null) throw new Error('the leader gave an answer without a length')
  const bodyAt = headEnd + 4
  const end = bodyAt + Number(length)
  if (end > bytes.length) return null
  const headers: Record<string, string> = {}
  for (const name of PASSED_HEADERS) {
    const value = fieldOf(head, name)
    if (value !== null) headers[name] = value
  }
  const contentType = fieldOf(head, 'content-type')
  const answer = {
    status: Number(head.slice(9, 12)),
    revision: Number(fieldOf(head, 'raftway-revision') ?? 0),
    body: bytes.subarray(bodyAt, end),
    ...(contentType === null ? {} : { contentType }),
    headers,
  }
  return { answer, end }
}

const FIELDS = new Map(
  ['content-length', 'content-type', 'raftway-revision', ...PASSED_HEADERS].map((name) => [
    name,
    new RegExp(`\\r\\n${name}: ?([^\\r]*)`, 'i'),
  ]),
)

function fieldOf(head: string, name: string): string | null {
  return FIELDS.get(name)?.exec(head)?.[1] ?? null
}
