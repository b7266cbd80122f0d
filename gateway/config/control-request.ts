import type { Agent, ClientRequest, request as httpRequest } from 'node:http'
import { WATCH_CONNECT_MS_MAX } from '../../shared/limits.ts'
import { http } from '../node-http.ts'

/**
 * A request to a control-plane node, by node:http, which the status port has loaded anyway: a second client would cost
 * an idle gateway 7 MB. Fails when the connection does not stand in WATCH_CONNECT_MS_MAX, or nothing moves on it for
 * `silenceMs`. An error of it is heard by `error`, and only there.
 */
export function controlRequest(options: {
  readonly origin: string
  readonly path: string
  readonly method: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string | number>>
  /** Sent as `Authorization: Bearer`; null for none. */
  readonly token: string | null
  readonly agent: Agent
  readonly silenceMs: number
}): ClientRequest {
  const { origin, path, method, headers, token, agent, silenceMs } = options
  const url = new URL(origin)
  const send = url.protocol === 'https:' ? secureRequest() : http.request
  const request = send({
    hostname: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port,
    path,
    method,
    headers: token === null ? headers : { ...headers, Authorization: `Bearer ${token}` },
    agent,
  })
  const timer = setTimeout(() => {
    request.destroy(new Error(`no connection in ${WATCH_CONNECT_MS_MAX} ms`))
  }, WATCH_CONNECT_MS_MAX)
  request.once('close', () => clearTimeout(timer))
  request.once('socket', (socket) => {
    if (socket.connecting) socket.once('connect', () => clearTimeout(timer))
    else clearTimeout(timer)
  })
  request.setTimeout(silenceMs, () => {
    request.destroy(new Error(`nothing was heard for ${silenceMs} ms`))
  })
  return request
}

/** Loaded with the first https url: TLS is not free. */
function secureRequest(): typeof httpRequest {
  return process.getBuiltinModule('node:https').request
}
