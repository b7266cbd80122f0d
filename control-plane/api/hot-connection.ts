import type { Socket } from 'node:net'
import { API_FAST_PIPELINE_MAX, API_FAST_REQUEST_BYTES_MAX } from '../../shared/limits.ts'
import { FORWARDED_HEADER } from './forward.ts'
import { readHotRequest, type HotRequest } from './hot-request.ts'
import { HotResponse } from './hot-response.ts'

/** What a connection needs of its front. */
export type HotConnectionParts = {
  readonly socket: Socket
  /** A larger body is for the other reader to take or to refuse. */
  readonly bodyBytesMax: number
  readonly keepAliveMs: number
  /** Whether a request is one that `serve` takes. */
  readonly takes: (request: HotRequest) => boolean
  /** Answers through `response.end`, at once or later, always. */
  readonly serve: (request: HotRequest, response: HotResponse) => void
  /** Takes the connection, with what has arrived and was not answered still to be read from it. */
  readonly handOver: (socket: Socket) => void
  readonly onGone: () => void
}

const NO_BYTES = Buffer.alloc(0)
/** What is not whole after this time is read by the other reader, which has timeouts for all of it. */
const PATIENCE_MS = 1_000

type Slot = { readonly response: HotResponse; bytes: Buffer | string | null }

/**
 * One connection whose requests are read without the web framework, as long as all of them are of that kind: the first
 * that is not takes the connection to node:http, for good.
 *
 * Requests of a client are answered one after another (RFC 9112 9.3.2). Those that another node forwards carry keys, so
 * that they are carried out side by side, and only their answers keep the order.
 */
export class HotConnection {
  readonly #parts: HotConnectionParts
  #bytes: Buffer = NO_BYTES
  /** Requests under way, oldest first. */
  #slots: Slot[] = []
  #isForwarding = false
  #isCorked = false
  #isGone = false
  #hasEnded = false
  #isReading = false
  /** Since when nothing is under way, or nothing has come of a request that is not whole. */
  #sinceMs = performance.now()
  #isUsed = false

  readonly #onData = (chunk: Buffer): void => {
    this.#sinceMs = performance.now()
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk])
    this.#read()
    // The rest waits in the network, and with it whoever sends it.
    if (!this.#isGone && this.#bytes.length > API_FAST_REQUEST_BYTES_MAX) this.#parts.socket.pause()
  }
  readonly #onDrain = (): void => this.#read()
  readonly #onEnd = (): void => {
    this.#hasEnded = true
    if (this.#slots.length === 0) this.#parts.socket.end()
  }
  readonly #onError = (): void => {
    this.#parts.socket.destroy()
  }
  readonly #onClose = (): void => this.#leave()

  constructor(parts: HotConnectionParts) {
    this.#parts = parts
    const { socket } = parts
    socket.on('data', this.#onData)
    socket.on('drain', this.#onDrain)
    socket.on('end', this.#onEnd)
    socket.on('error', this.#onError)
    socket.on('close', this.#onClose)
  }

  /** Called about once a second. */
  sweep(nowMs: number): void {
    if (this.#slots.length > 0) return
    const silentMs = nowMs - this.#sinceMs
    if (this.#bytes.length > 0 || !this.#isUsed) {
      if (silentMs > PATIENCE_MS) this.#handOver()
    } else if (silentMs > this.#parts.keepAliveMs) {
      this.#parts.socket.destroy()
    }
  }

  close(): void {
    this.#parts.socket.destroy()
  }

  closeIfIdle(): void {
    if (this.#slots.length === 0 && this.#bytes.length === 0) this.#parts.socket.destroy()
  }

  /** Reads as many requests as may be under way. */
  #read(): void {
    // An answer may be given while its request is being served: the loop that serves it goes on reading.
    if (this.#isReading) return
    this.#isReading = true
    let at = 0
    while (at < this.#bytes.length && this.#mayServe()) {
      const read = readHotRequest(this.#bytes, at, this.#parts)
      if (read.type === 'partial') break
      if (read.type === 'other' || !this.#parts.takes(read.request)) {
        this.#bytes = this.#bytes.subarray(at)
        this.#isReading = false
        // What is under way is answered here first.
        if (this.#slots.length === 0) this.#handOver()
        return
      }
      at = read.end
      this.#serve(read.request)
    }
    this.#bytes = at === this.#bytes.length ? NO_BYTES : this.#bytes.subarray(at)
    this.#isReading = false
    if (!this.#isGone && this.#bytes.length <= API_FAST_REQUEST_BYTES_MAX) this.#resume()
  }

  #resume(): void {
    const { socket } = this.#parts
    if (socket.isPaused()) socket.resume()
  }

  #mayServe(): boolean {
    if (this.#isGone || this.#parts.socket.writableNeedDrain) return false
    return this.#slots.length < (this.#isForwarding ? API_FAST_PIPELINE_MAX : 1)
  }

  #serve(request: HotRequest): void {
    this.#isUsed = true
    this.#isForwarding = request.headers[FORWARDED_HEADER] !== undefined
    const { keepAliveMs } = this.#parts
    const response = new HotResponse(
      (bytes) => this.#onAnswer(slot, bytes),
      Math.floor(keepAliveMs / 1_000),
    )
    const slot: Slot = { response, bytes: null }
    this.#slots.push(slot)
    this.#parts.serve(request, response)
  }

  #onAnswer(slot: Slot, bytes: Buffer | string): void {
    slot.bytes = bytes
    if (this.#isGone || this.#slots[0] !== slot) return
    this.#cork()
    while (this.#slots[0] !== undefined && this.#slots[0].bytes !== null) {
      this.#parts.socket.write(this.#slots[0].bytes)
      this.#slots.shift()
    }
    if (this.#slots.length === 0) this.#sinceMs = performance.now()
    if (this.#hasEnded && this.#slots.length === 0 && this.#bytes.length === 0) {
      this.#parts.socket.end()
    } else if (this.#bytes.length > 0) {
      this.#read()
    }
  }

  /** Answers that come out of one commit leave in one system call. */
  #cork(): void {
    if (!this.#isForwarding || this.#isCorked) return
    this.#isCorked = true
    this.#parts.socket.cork()
    process.nextTick(() => {
      this.#isCorked = false
      this.#parts.socket.uncork()
    })
  }

  #handOver(): void {
    const { socket, handOver } = this.#parts
    this.#leave()
    socket.off('data', this.#onData)
    socket.off('drain', this.#onDrain)
    socket.off('end', this.#onEnd)
    socket.off('error', this.#onError)
    socket.off('close', this.#onClose)
    if (this.#hasEnded || socket.destroyed) {
      socket.destroy()
      return
    }
    // It begins to flow when its new owner listens: what was read is what it reads first.
    socket.pause()
    if (this.#bytes.length > 0) socket.unshift(this.#bytes)
    this.#bytes = NO_BYTES
    handOver(socket)
    process.nextTick(() => socket.resume())
  }

  #leave(): void {
    if (this.#isGone) return
    this.#isGone = true
    this.#parts.onGone()
  }
}
