import { createRequire } from 'node:module'
import type { Client, Dispatcher } from 'undici'
import { describeError } from '../../shared/errors.ts'
import {
  WATCH_CONNECT_MS_MAX,
  WATCH_LINE_BYTES_MAX,
  WATCH_SILENCE_MS_MAX,
} from '../../shared/limits.ts'
import { LineSplitter } from './line-splitter.ts'

const require = createRequire(import.meta.url)
const ClientClass = require('undici/lib/dispatcher/client.js') as typeof Client

/** What a stream tells. `onOpen`, then lines, then `onEnd`, once; or `onEnd` alone. Nothing after `close`. */
export type WatchStreamHandler = {
  /** The node answers with a watch. `version` is what it says of itself, or null. */
  onOpen(version: string | null): void
  /** Returns false to end the stream. */
  onLine(line: string): boolean
  onEnd(reason: string): void
}

/** One `GET /v1/watch` from its connection to its end. A node that falls silent ends it too. */
export class WatchStream implements Dispatcher.DispatchHandler {
  readonly #client: Client
  readonly #path: string
  readonly #handler: WatchStreamHandler
  readonly #lines = new LineSplitter(WATCH_LINE_BYTES_MAX)
  #status = 0
  #refusal = ''
  #isOver = false

  /** `path` is `/v1/watch` with its query. */
  constructor(origin: string, path: string, handler: WatchStreamHandler) {
    this.#path = path
    this.#handler = handler
    this.#client = new ClientClass(origin, {
      connectTimeout: WATCH_CONNECT_MS_MAX,
      // The node may first have to ask its leader whether it is up to date.
      headersTimeout: WATCH_SILENCE_MS_MAX,
      bodyTimeout: WATCH_SILENCE_MS_MAX,
      allowH2: false,
    })
  }

  /** Connects. Once. */
  open(): void {
    const headers = { accept: 'application/x-ndjson' }
    this.#client.dispatch({ method: 'GET', path: this.#path, headers }, this)
  }

  /** Ends the stream from this side. Its handler hears nothing more. */
  close(): void {
    this.#isOver = true
    // It was closed on purpose; that it failed in between is no news.
    void this.#client.destroy().catch(() => undefined)
  }

  onRequestStart(): void {}

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    if (this.#isOver || status < 200) return
    this.#status = status
    const version = headers['raftway-version']
    if (status === 200) this.#handler.onOpen(typeof version === 'string' ? version : null)
  }

  onResponseData(_controller: Dispatcher.DispatchController, piece: Buffer): void {
    if (this.#isOver) return
    if (this.#status !== 200) {
      if (this.#refusal.length < 1_024) this.#refusal += piece.toString('utf8')
      return
    }
    const isWhole = this.#lines.push(piece, (line) => !this.#isOver && this.#handler.onLine(line))
    // The handler may have closed the stream and said so elsewhere.
    if (!isWhole) this.#end('a line of the watch is too long, or could not be followed')
  }

  onResponseEnd(): void {
    const refusal = this.#refusal.slice(0, 1_024)
    this.#end(this.#status === 200 ? 'the node ended the watch' : `${this.#status} ${refusal}`)
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    this.#end(describeError(error))
  }

  #end(reason: string): void {
    if (this.#isOver) return
    this.close()
    this.#handler.onEnd(reason)
  }
}
