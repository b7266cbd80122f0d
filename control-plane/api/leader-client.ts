import { Agent } from 'undici'
import {
  FORWARD_CONNECT_MS_MAX,
  FORWARD_CONNECTIONS_MAX,
  FORWARD_MS_MAX,
} from '../../shared/limits.ts'
import type { Answer } from './answer.ts'
import type { ForwardedRequest, ForwardPort } from './forward.ts'

/** Headers of the leader's answer that go on to the client. */
const PASSED_HEADERS = ['etag', 'retry-after'] as const

/** Forwarded calls over HTTP. */
export class LeaderClient implements ForwardPort {
  readonly #agent = new Agent({
    connections: FORWARD_CONNECTIONS_MAX,
    connect: { timeout: FORWARD_CONNECT_MS_MAX },
    headersTimeout: FORWARD_MS_MAX,
    bodyTimeout: FORWARD_MS_MAX,
  })

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
