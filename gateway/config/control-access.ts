import type { Agent, AgentOptions } from 'node:http'
import { fetchAuthority } from '../../client/pinned-authority.ts'
import { signEnrolment } from '../../shared/enrolment.ts'
import { describeError, RaftwayError } from '../../shared/errors.ts'
import { CERTIFICATE_CHECK_MS, REPORT_ANSWER_MS_MAX } from '../../shared/limits.ts'
import type { Logger } from '../../shared/logger.ts'
import { parseToken } from '../../shared/token-text.ts'
import { http } from '../node-http.ts'
import { newKey, pairOf, readPair, writePair, type ClientPair } from './client-pair.ts'
import { controlRequest } from './control-request.ts'

export type AccessParts = {
  readonly name: string
  readonly dataDir: string
  /** Of the API, or to enrol with; null for none. */
  readonly token: string | null
  /** PEM: whom to believe over https. Null: the token's cluster authority, or else what the system believes. */
  readonly ca: string | null
  readonly logger: Logger
}

/** Bytes of an answer that are kept. */
const ANSWER_BYTES_MAX = 64 * 1_024
const RETRY_MS = 1_000

/**
 * As whom a gateway calls nodes, and which nodes it believes. A token of the API goes with every call; one to enrol with
 * (`rwj_`) is shown once, over https, for a certificate of the gateway's own, which it renews by itself while it runs.
 */
export class ControlAccess {
  readonly #parts: AccessParts
  readonly #fingerprint: string
  readonly #mayEnrol: boolean
  #ca: string | null
  #pair: ClientPair | null = null
  #origin: string | null = null
  #timer: NodeJS.Timeout | null = null
  #isReady = false
  #isClosed = false

  constructor(parts: AccessParts) {
    const token = parts.token === null ? null : parseToken(parts.token)
    this.#parts = parts
    this.#ca = parts.ca
    this.#fingerprint = token?.fingerprint ?? ''
    this.#mayEnrol = token?.letter === 'j' && this.#fingerprint !== ''
  }

  /** What goes with a call as `Authorization: Bearer`; null where the certificate says it all. */
  get token(): string | null {
    return this.#mayEnrol && this.#isReady ? null : this.#parts.token
  }

  /** Connections to a node, as this gateway is now; the caller's to destroy. */
  agent(origin: string, options: AgentOptions): Agent {
    if (!isSecure(origin)) return new http.Agent(options)
    const { Agent: SecureAgent } = process.getBuiltinModule('node:https')
    const pair = this.#pair === null ? {} : { key: this.#pair.key, cert: this.#pair.cert }
    return new SecureAgent({ ...options, ...(this.#ca === null ? {} : { ca: this.#ca }), ...pair })
  }

  /** Whether there is anything to do before a node can be called. */
  needsPreparing(origin: string): boolean {
    const isPinned = this.#ca !== null || this.#fingerprint === ''
    const hasPair = !this.#mayEnrol || (this.#pair !== null && Date.now() < this.#pair.validToMs)
    return isSecure(origin) && !(isPinned && hasPair)
  }

  /** Finds out whom to believe, and gets a certificate. PEER_REFUSED, PEER_UNREACHABLE, or what the node refuses with. */
  async prepare(origin: string): Promise<void> {
    this.#origin = origin
    if (this.#ca === null && this.#fingerprint !== '') {
      this.#ca = await fetchAuthority(origin, this.#fingerprint)
    }
    if (!this.#mayEnrol) return
    this.#pair ??= await readPair(this.#parts.dataDir)
    if (this.#pair === null || Date.now() >= this.#pair.validToMs) {
      this.#pair = null
      await this.#enrol(origin)
    }
    this.#isReady = true
    this.#schedule()
  }

  /** The node that is called now: renewals go there. */
  follow(origin: string): void {
    this.#origin = origin
  }

  close(): void {
    this.#isClosed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  #schedule(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    if (this.#pair === null || this.#isClosed) return
    const waitMs = Math.max(RETRY_MS, this.#pair.renewAtMs - Date.now())
    // Its outcome is logged there.
    this.#timer = setTimeout(() => void this.#renew(), Math.min(waitMs, CERTIFICATE_CHECK_MS))
    this.#timer.unref()
  }

  async #renew(): Promise<void> {
    const { logger } = this.#parts
    try {
      const isDue = this.#pair !== null && Date.now() >= this.#pair.renewAtMs
      if (isDue && this.#origin !== null) await this.#enrol(this.#origin)
    } catch (error) {
      logger.warn(
        { reason: describeError(error) },
        'the certificate of this gateway is not renewed',
      )
    }
    this.#schedule()
  }

  async #enrol(origin: string): Promise<void> {
    const { name, dataDir, token, logger } = this.#parts
    const keys = newKey()
    const asked = { role: 'gateway' as const, name, nodeId: null, hosts: [] }
    const answer = await this.#post(origin, {
      body: JSON.stringify(signEnrolment(asked, keys)),
      // What is still valid speaks for itself: the token may have ended since.
      token: this.#pair === null ? token : null,
    })
    const key = keys.privateKey.export({ type: 'pkcs8', format: 'pem' })
    const pair = pairOf(key, certificateIn(answer))
    if (pair === null)
      throw new RaftwayError('PEER_REFUSED', 'the node answered with no certificate')
    this.#pair = pair
    await writePair(dataDir, pair)
    const validTo = new Date(pair.validToMs).toISOString()
    logger.info({ validTo }, 'this gateway has a new certificate')
  }

  #post(
    origin: string,
    call: { readonly body: string; readonly token: string | null },
  ): Promise<string> {
    const body = Buffer.from(call.body)
    const agent = this.agent(origin, { keepAlive: false })
    return new Promise((resolve, reject) => {
      const request = controlRequest({
        origin,
        path: '/v1/enrolments',
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'Content-Length': body.length },
        token: call.token,
        agent,
        silenceMs: REPORT_ANSWER_MS_MAX,
      })
      request.on('error', reject)
      request.on('response', (response) => {
        let text = ''
        response.on('data', (piece: Buffer) => {
          if (text.length < ANSWER_BYTES_MAX) text += piece.toString('utf8')
        })
        response.on('error', reject)
        response.on('end', () => {
          if (response.statusCode === 201) return resolve(text)
          const detail = `the node issues no certificate: ${response.statusCode ?? 0} ${text}`
          reject(new RaftwayError('PEER_REFUSED', detail))
        })
      })
      request.end(body)
    })
  }
}

function isSecure(origin: string): boolean {
  return origin.startsWith('https:')
}

function certificateIn(text: string): string {
  try {
    const { certificate } = JSON.parse(text) as { readonly certificate?: unknown }
    return typeof certificate === 'string' ? certificate : ''
  } catch {
    return ''
  }
}
