import type { Agent, IncomingMessage } from 'node:http'
import { describeError } from '../../shared/errors.ts'
import { REPORT_ANSWER_MS_MAX, REPORT_MS } from '../../shared/limits.ts'
import type { GatewayReport } from '../../shared/watch-protocol.ts'
import type { ControlAccess } from './control-access.ts'
import { controlRequest } from './control-request.ts'

/** Bytes of a refusal that are kept for the log. */
const REFUSAL_BYTES_MAX = 1_024

/**
 * Tells the node that is being watched what this gateway has applied: at once, and every REPORT_MS. While one report is
 * under way the next ones wait as one: only the newest matters.
 */
export class Reporter {
  readonly #path: string
  readonly #access: ControlAccess
  readonly #onFailure: (reason: string) => void
  readonly #timer: NodeJS.Timeout
  /** One connection to the node that is followed, or null. */
  #node: { readonly origin: string; readonly agent: Agent } | null = null
  #latest: GatewayReport | null = null
  #isUnderWay = false
  #isDue = false
  #isScheduled = false

  constructor(
    gateway: { readonly name: string; readonly access: ControlAccess },
    onFailure: (reason: string) => void,
  ) {
    this.#path = `/v1/gateways/${encodeURIComponent(gateway.name)}/report`
    this.#access = gateway.access
    this.#onFailure = onFailure
    this.#timer = setInterval(() => this.#send(), REPORT_MS)
    this.#timer.unref()
  }

  /** The node to report to; null while none is watched. */
  follow(origin: string | null): void {
    const old = this.#node
    this.#node =
      origin === null
        ? null
        : { origin, agent: this.#access.agent(origin, { keepAlive: true, maxSockets: 1 }) }
    this.#isUnderWay = false
    // A report to a node that is no longer watched has nobody who waits for it.
    old?.agent.destroy()
    this.#send()
  }

  /** Sent at the end of this turn: whatever else has arrived is applied before time goes into telling of it. */
  report(report: GatewayReport): void {
    this.#latest = report
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.#send()
    })
  }

  close(): void {
    clearInterval(this.#timer)
    this.#latest = null
    this.follow(null)
  }

  #send(): void {
    const node = this.#node
    if (node === null || this.#latest === null) return
    if (this.#isUnderWay) {
      this.#isDue = true
      return
    }
    this.#isUnderWay = true
    this.#isDue = false
    const body = Buffer.from(JSON.stringify(this.#latest))
    let isAnswered = false
    const done = (failure: string | null): void => {
      if (isAnswered || this.#node !== node) return
      isAnswered = true
      this.#isUnderWay = false
      if (failure !== null) this.#onFailure(failure)
      // After a failure the timer comes soon enough.
      else if (this.#isDue) this.#send()
    }
    const request = controlRequest({
      ...node,
      path: this.#path,
      token: this.#access.token,
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'Content-Length': body.length },
      silenceMs: REPORT_ANSWER_MS_MAX,
    })
    request.on('response', (response) => readAnswer(response, done))
    request.on('error', (error) => done(describeError(error)))
    request.end(body)
  }
}

function readAnswer(response: IncomingMessage, done: (failure: string | null) => void): void {
  let text = ''
  response.on('data', (piece: Buffer) => {
    if (text.length < REFUSAL_BYTES_MAX) text += piece.toString('utf8')
  })
  response.on('error', (error) => done(describeError(error)))
  response.on('end', () => {
    const status = response.statusCode ?? 0
    done(status < 300 ? null : `${status} ${text.slice(0, REFUSAL_BYTES_MAX)}`)
  })
}
