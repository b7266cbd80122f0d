// A client that costs little, so that it does not stand for the server: one socket, one call at a time, requests as
// bytes made before, answers read for their status and their length. Both sides of a comparison are asked by it.
import { connect, type Socket } from 'node:net'

export type RawAnswer = { readonly status: number; readonly body: Buffer }

const NO_BYTES = Buffer.alloc(0)

/** One keep-alive connection of HTTP/1.1. */
export class RawHttp {
  readonly #socket: Socket
  #bytes: Buffer = NO_BYTES
  #waiting: { resolve: (answer: RawAnswer) => void; reject: (error: Error) => void } | null = null

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => this.#onData(chunk))
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('the connection closed')))
  }

  static open(port: number): Promise<RawHttp> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true })
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        resolve(new RawHttp(socket))
      })
    })
  }

  /** Sends one request and gives its answer; the one before must have been answered. */
  call(request: Buffer): Promise<RawAnswer> {
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) {
        reject(new Error('the connection is closed'))
        return
      }
      this.#waiting = { resolve, reject }
      this.#socket.write(request)
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #onData(chunk: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk])
    const answer = readAnswer(this.#bytes)
    if (answer === null) return
    const waiting = this.#waiting
    this.#bytes = NO_BYTES
    this.#waiting = null
    waiting?.resolve(answer)
  }

  #fail(error: Error): void {
    const waiting = this.#waiting
    this.#waiting = null
    waiting?.reject(error)
  }
}

/** The bytes of a request with a JSON body. */
export function requestBytes(method: string, path: string, body: unknown): Buffer {
  const content = body === undefined ? '' : JSON.stringify(body)
  const head = [`${method} ${path} HTTP/1.1`, 'Host: 127.0.0.1']
  if (body !== undefined) {
    head.push('Content-Type: application/json', `Content-Length: ${Buffer.byteLength(content)}`)
  }
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${content}`)
}

/** The one answer that stands in `bytes`, or null while it is not whole. */
function readAnswer(bytes: Buffer): RawAnswer | null {
  const headEnd = bytes.indexOf('\r\n\r\n')
  if (headEnd === -1) return null
  const head = bytes.toString('latin1', 0, headEnd)
  const status = Number(head.slice(9, 12))
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
  const at = headEnd + 4
  if (length !== undefined) {
    const end = at + Number(length)
    return bytes.length < end ? null : { status, body: bytes.subarray(at, end) }
  }
  if (!/\r\ntransfer-encoding: *chunked/i.test(head)) return { status, body: NO_BYTES }
  return readChunked(bytes, at, status)
}

function readChunked(bytes: Buffer, from: number, status: number): RawAnswer | null {
  const parts: Buffer[] = []
  for (let at = from; ;) {
    const lineEnd = bytes.indexOf('\r\n', at)
    if (lineEnd === -1) return null
    const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16)
    const start = lineEnd + 2
    if (bytes.length < start + size + 2) return null
    if (size === 0) return { status, body: Buffer.concat(parts) }
    parts.push(bytes.subarray(start, start + size))
    at = start + size + 2
  }
}
