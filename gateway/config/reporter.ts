import { createRequire } from 'node:module'
import type { Client, Dispatcher } from 'undici'
import { describeError } from '../../shared/errors.ts'
import { REPORT_ANSWER_MS_MAX, REPORT_MS, WATCH_CONNECT_MS_MAX } from '../../shared/limits.ts'
import type { GatewayReport } from '../../shared/watch-protocol.ts'

const require = createRequire(import.meta.url)
const ClientClass = require('undici/lib/dispatcher/client.js') as typeof Client

/**
 * Tells the node that is being watched what this gateway has applied: at once, and every REPORT_MS. While one report is
 * under way the next ones wait as one: only the newest matters.
 */
export class Reporter {
  readonly #path: string
  readonly #onFailure: (reason: string) => void
  readonly #timer: NodeJS.Timeout
  #client: Client | null = null
  #latest: GatewayReport | null = null
  #isUnderWay = false
  #isDue = false

  constructor(name: string, onFailure: (reason: string) => void) {
    this.#path = `/v1/gateways/${encodeURIComponent(name)}/report`
    this.#onFailure = onFailure
    this.#timer = setInterval(() => this.#send(), REPORT_MS)
    this.#timer.unref()
  }

  /** The node to report to; null while none is watched. */
  follow(origin: string | null): void {
    const old = this.#client
    this.#client =
      origin === null
        ? null
        : new ClientClass(origin, {
            connectTimeout: WATCH_CONNECT_MS_MAX,
            headersTimeout: REPORT_ANSWER_MS_MAX,
            bodyTimeout: REPORT_ANSWER_MS_MAX,
            allowH2: false,
          })
    this.#isUnderWay = false
    // A report to a node that is no longer watched has nobody who waits for it.
    if (old !== null) void old.destroy().catch(() => undefined)
    this.#send()
  }

  report(report: GatewayReport): void {
    this.#latest = report
    this.#send()
  }

  close(): void {
    clearInterval(this.#timer)
    this.#latest = null
    this.follow(null)
  }

  #send(): void {
    const client = this.#client
    if (client === null || this.#latest === null) return
    if (this.#isUnderWay) {
      this.#isDue = true
      return
    }
    this.#isUnderWay = true
    this.#isDue = false
    const body = JSON.stringify(this.#latest)
    const headers = { 'content-type': 'application/json' }
    client.dispatch({ method: 'POST', path: this.#path, headers, body }, this.#answer(client))
  }

  #answer(client: Client): Dispatcher.DispatchHandler {
    let status = 0
    let text = ''
    const done = (failure: string | null): void => {
      if (this.#client !== client) return
      this.#isUnderWay = false
      if (failure !== null) this.#onFailure(failure)
      // After a failure the timer comes soon enough.
      else if (this.#isDue) this.#send()
    }
    return {
      onRequestStart() {},
      onResponseStart(_controller, answered) {
        status = answered
      },
      onResponseData(_controller, piece) {
        if (text.length < 1_024) text += piece.toString('utf8')
      },
      onResponseEnd: () => done(status < 300 ? null : `${status} ${text.slice(0, 1_024)}`),
      onResponseError: (_controller, error) => done(describeError(error)),
    }
  }
}
