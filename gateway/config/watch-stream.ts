import type { Agent, ClientRequest, IncomingMessage } from 'node:http'
import { describeError } from '../../shared/errors.ts'
import { WATCH_LINE_BYTES_MAX, WATCH_SILENCE_MS_MAX } from '../../shared/limits.ts'
import { WATCH_FORMAT_HEADER, watchFormatIssue } from '../../shared/watch-format.ts'
import { controlRequest } from './control-request.ts'
import { LineSplitter } from './line-splitter.ts'

/** What a stream tells. `onOpen`, then lines, then `onEnd`, once; or `onEnd` alone. Nothing after `close`. */
export type WatchStreamHandler = {
  /** The node answers with a watch. `version` is what it says of itself, or null. */
  onOpen(version: string | null): void
  /** Returns false to end the stream. */
  onLine(line: string): boolean
  onEnd(reason: string): void
}

/** Which node to watch, and as whom. `path` is `/v1/watch` with its query. */
export type WatchTarget = {
  readonly origin: string
  readonly path: string
  readonly token: string | null
  readonly agent: Agent
}

/** Bytes of a refusal that are kept for the log. */
const REFUSAL_BYTES_MAX = 1_024

/** One `GET /v1/watch` from its connection to its end. A node that falls silent ends it too. */
export class WatchStream {
  readonly #target: WatchTarget
  readonly #handler: WatchStreamHandler
  readonly #lines = new LineSplitter(WATCH_LINE_BYTES_MAX)
  #request: ClientRequest | null = null
  #isOver = false

  constructor(target: WatchTarget, handler: WatchStreamHandler) {
    this.#target = target
    this.#handler = handler
  }

  /** Connects. Once. */
  open(): void {
    this.#request = controlRequest({
      ...this.#target,
      method: 'GET',
      headers: { Accept: 'application/x-ndjson' },
      silenceMs: WATCH_SILENCE_MS_MAX,
    })
    this.#request.on('response', (response) => this.#answered(response))
    this.#request.on('error', (error) => this.#end(describeError(error)))
    this.#request.end()
  }

  /** Ends the stream from this side. Its handler hears nothing more. */
  close(): void {
    this.#isOver = true
    this.#request?.destroy()
  }

  #answered(response: IncomingMessage): void {
    if (this.#isOver) return
    response.on('error', (error) => this.#end(describeError(error)))
    if (response.statusCode !== 200) {
      this.#refused(response)
      return
    }
    const issue = watchFormatIssue(response.headers[WATCH_FORMAT_HEADER])
    if (issue !== null) return this.#end(issue)
    const version = response.headers['raftway-version']
    this.#handler.onOpen(typeof version === 'string' ? version : null)
    response.on('data', (piece: Buffer) => {
      if (this.#isOver) return
      const isWhole = this.#lines.push(piece, (line) => !this.#isOver && this.#handler.onLine(line))
      // The handler may have closed the stream and said so elsewhere.
      if (!isWhole) this.#end('a line of the watch is too long, or could not be followed')
    })
    response.on('end', () => this.#end('the node ended the watch'))
    response.on('close', () => this.#end('the connection was cut'))
  }

  #refused(response: IncomingMessage): void {
    let text = ''
    response.on('data', (piece: Buffer) => {
      if (text.length < REFUSAL_BYTES_MAX) text += piece.toString('utf8')
    })
    response.on('close', () => {
      this.#end(`${response.statusCode ?? 0} ${text.slice(0, REFUSAL_BYTES_MAX)}`)
    })
  }

  #end(reason: string): void {
    if (this.#isOver) return
    this.close()
    this.#handler.onEnd(reason)
  }
}
