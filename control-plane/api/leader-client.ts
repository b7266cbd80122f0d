import { Agent, buildConnector } from 'undici'
import { judgeCertificate, readCertificate } from '../../shared/certificate.ts'
import { describeError, RaftwayError } from '../../shared/errors.ts'
import {
  FORWARD_CONNECT_MS_MAX,
  FORWARD_CONNECTIONS_MAX,
  FORWARD_MS_MAX,
} from '../../shared/limits.ts'
import type { Answer } from './answer.ts'
import type { Clock } from '../clock.ts'
import type { ForwardedRequest, ForwardPort } from './forward.ts'
import { LeaderLane } from './leader-lane.ts'
import { NODE_SERVER_NAME, type ApiTls } from './tls.ts'

/** Headers of the leader's answer that go on to the client. */
const PASSED_HEADERS = ['etag', 'retry-after'] as const

/** Connections that small calls share. */
const LANES = 2
/** A larger body would keep those behind it waiting. */
const LANE_BODY_BYTES_MAX = 256 * 1024

/**
 * Forwarded calls over HTTP; with `tls`, over mutual TLS with nodes of this cluster and nobody else. In plain HTTP small
 * ones that may be repeated share connections.
 */
export class LeaderClient implements ForwardPort {
  readonly #agent: Agent
  readonly #isPlain: boolean
  /** By the leader's address. */
  readonly #lanes = new Map<string, Set<LeaderLane>>()

  constructor(tls: ApiTls | null, clock: Clock) {
    this.#isPlain = tls === null
    this.#agent = new Agent({
      connections: FORWARD_CONNECTIONS_MAX,
      connect: tls === null ? { timeout: FORWARD_CONNECT_MS_MAX } : nodeConnector(tls, clock),
      headersTimeout: FORWARD_MS_MAX,
      bodyTimeout: FORWARD_MS_MAX,
    })
  }

  send(request: ForwardedRequest): Promise<Answer> {
    const { origin, isRepeatable, body } = request
    const isSmall = body.length <= LANE_BODY_BYTES_MAX
    if (this.#isPlain && isRepeatable && isSmall && origin.startsWith('http:')) {
      return this.#laneTo(origin).send(request)
    }
    return this.#sendAlone(request)
  }

  /** The one with the fewest calls under way; another one while each has some. */
  #laneTo(origin: string): LeaderLane {
    let lanes = this.#lanes.get(origin)
    if (lanes === undefined) this.#lanes.set(origin, (lanes = new Set()))
    let least: LeaderLane | null = null
    for (const lane of lanes) if (least === null || lane.load < least.load) least = lane
    if (least !== null && (least.load === 0 || lanes.size >= LANES)) return least
    const siblings = lanes
    const lane: LeaderLane = new LeaderLane(origin, () => {
      siblings.delete(lane)
      if (siblings.size === 0 && this.#lanes.get(origin) === siblings) this.#lanes.delete(origin)
    })
    lanes.add(lane)
    return lane
  }

  async #sendAlone(request: ForwardedRequest): Promise<Answer> {
    const { origin, target, method, headers, body, signal } = request
    const reply = await this.#agent.request({
      origin,
      path: target,
      method,
      headers,
      body: body.length === 0 ? null : body,
      signal,
    })
    const bytes = Buffer.from(await reply.body.arrayBuffer())
    const passed: Record<string, string> = {}
    for (const name of PASSED_HEADERS) {
      const value = reply.headers[name]
      if (typeof value === 'string') passed[name] = value
    }
    const contentType = reply.headers['content-type']
    return {
      status: reply.statusCode,
      revision: Number(reply.headers['raftway-revision'] ?? 0),
      body: bytes,
      ...(typeof contentType === 'string' ? { contentType } : {}),
      headers: passed,
    }
  }

  async close(): Promise<void> {
    for (const lanes of this.#lanes.values()) for (const lane of lanes) lane.close()
    await this.#agent.destroy()
  }
}

/**
 * Connects to the API of another node as this node, with the newest certificate. The other side shows its own for
 * NODE_SERVER_NAME, whatever it shows to clients; that it is a node of this cluster counts, and its host name does not.
 */
function nodeConnector(tls: ApiTls, clock: Clock): buildConnector.connector {
  return (options, callback) => {
    const { credentials, revocations } = tls
    const connect = buildConnector({
      ...credentials.pair,
      ca: credentials.authority.toString(),
      timeout: FORWARD_CONNECT_MS_MAX,
      allowH2: false,
      checkServerIdentity: (_host, { raw }) => {
        const certificate = readCertificate(raw)
        if (certificate === null) return new Error('it shows no certificate')
        const judged = judgeCertificate(certificate, credentials.authority, clock.now())
        if (!judged.ok) return new Error(judged.reason)
        const reason = revocations.reasonFor(judged.identity)
        if (reason !== null) return new Error(`its certificate is revoked: ${reason}`)
        return judged.identity.role === 'node' ? undefined : new Error('it is not a node')
      },
    })
    connect({ ...options, servername: NODE_SERVER_NAME }, (...outcome) => {
      const [error] = outcome
      if (error === null) return callback(...outcome)
      const detail = `${options.hostname}: ${describeError(error)}`
      callback(new RaftwayError('PEER_UNREACHABLE', detail, { cause: error }), null)
    })
  }
}
