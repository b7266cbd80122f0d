import { STATUS_CODES } from 'node:http'

/** Where the bytes of answers go, in the order of their requests. */
export type ResponseSink = (bytes: Buffer | string, response: HotResponse) => void

/** The text of `Date` for the second in which it was made. */
const date = { text: '', second: 0 }

/**
 * An answer that is written whole. It has as much of node:http's `ServerResponse` as the calls use that may be answered
 * with it, and sends the same fields.
 */
export class HotResponse {
  statusCode = 200
  headersSent = false
  readonly #sink: ResponseSink
  readonly #keepAliveSeconds: number
  /** By lower-case name. */
  readonly #fields = new Map<string, { readonly name: string; readonly value: number | string }>()
  #onFinish: (() => void)[] | null = null

  constructor(sink: ResponseSink, keepAliveSeconds: number) {
    this.#sink = sink
    this.#keepAliveSeconds = keepAliveSeconds
  }

  setHeader(name: string, value: number | string): this {
    this.#fields.set(name.toLowerCase(), { name, value })
    return this
  }

  getHeader(name: string): number | string | undefined {
    return this.#fields.get(name.toLowerCase())?.value
  }

  removeHeader(name: string): void {
    this.#fields.delete(name.toLowerCase())
  }

  /** Calls once the answer was handed to the connection. */
  once(_event: 'finish', listener: () => void): this {
    this.#onFinish ??= []
    this.#onFinish.push(listener)
    return this
  }

  /** Sends the head and all of the body. */
  end(body: Buffer | string = ''): this {
    if (this.headersSent) return this
    this.headersSent = true
    let head = `HTTP/1.1 ${this.statusCode} ${STATUS_CODES[this.statusCode] ?? ''}\r\n`
    for (const { name, value } of this.#fields.values()) head += `${name}: ${value}\r\n`
    head += `Date: ${dateNow()}\r\nConnection: keep-alive\r\nKeep-Alive: timeout=${this.#keepAliveSeconds}\r\n\r\n`
    this.#sink(messageOf(head, body), this)
    for (const listener of this.#onFinish ?? []) listener()
    return this
  }

  /** Nothing is ever sent in part, so that there is nothing to break off. */
  destroy(): void {}
}

/** Head and body in one piece, for one system call. Fields are Latin-1, as RFC 9110 5.5 has them. */
function messageOf(head: string, body: Buffer | string): Buffer {
  const bodyBytes = typeof body === 'string' ? Buffer.byteLength(body) : body.length
  const bytes = Buffer.allocUnsafe(head.length + bodyBytes)
  bytes.write(head, 0, 'latin1')
  if (typeof body === 'string') bytes.write(body, head.length)
  else bytes.set(body, head.length)
  return bytes
}

function dateNow(): string {
  const nowMs = Date.now()
  const second = Math.floor(nowMs / 1_000)
  if (second !== date.second) {
    date.second = second
    date.text = new Date(nowMs).toUTCString()
  }
  return date.text
}
