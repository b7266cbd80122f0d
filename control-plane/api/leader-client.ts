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
import { NODE_SERVER_NAME, type ApiTls } from './tls.ts'

/** Headers of the leader's answer that go on to the client. */
const PASSED_HEADERS = ['etag', 'retry-after'] as const

/** Forwarded calls over HTTP; with `tls`, over mutual TLS with nodes of this cluster and nobody else. */
export class LeaderClient implements ForwardPort {
  readonly #agent: Agent

  constructor(tls: ApiTls | null, clock: Clock) {
    this.#agent = new Agent({
      connections: FORWARD_CONNECTIONS_MAX,
      connect: tls === null ? { timeout: FORWARD_CONNECT_MS_MAX } : nodeConnector(tls, clock),
      headersTimeout: FORWARD_MS_MAX,
      bodyTimeout: FORWARD_MS_MAX,
    })
  }

  async send(request: ForwardedRequest): Promise<Answer> {
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
