import type { Exchange } from '../exchange.ts'
import { errorReply, type Reply, type StageResult } from '../reply.ts'
import type { RequestContext } from '../request-context.ts'

const MISDIRECTED = errorReply(
  'MISDIRECTED_REQUEST',
  'the host is for clients that show a certificate in its own handshake',
)

const HTTPS_PORT = 443

/**
 * Sends requests without TLS where their route wants it, and keeps a host that asks for certificates from being reached over
 * a handshake in which none was asked for: 421 MISDIRECTED_REQUEST (RFC 9110 15.5.20).
 */
export function secureStage(context: RequestContext): StageResult {
  const { exchange, parts, route } = context
  if (!exchange.isTls && route?.isHttpsOnly === true && exchange.host !== '') {
    return redirect(exchange, parts.tls === null ? HTTPS_PORT : parts.tls.port)
  }
  const required = parts.tls === null ? null : parts.tls.certificates.requiredFor(exchange.host)
  if (required === null) return undefined
  const { tls } = exchange
  return tls?.certificate === required && tls.client !== null ? undefined : MISDIRECTED
}

/** Only GET and HEAD may become a GET (RFC 9110 15.4.2, 15.4.9). */
function redirect({ method, host, path, query }: Exchange, port: number): Reply {
  const name = host.includes(':') ? `[${host}]` : host
  const place = `${name}${port === HTTPS_PORT ? '' : `:${port}`}${path}`
  const location = `https://${place}${query === '' ? '' : `?${query}`}`
  return {
    status: method === 'GET' || method === 'HEAD' ? 301 : 308,
    lines: `Location: ${location}\r\n`,
    body: Buffer.alloc(0),
    code: null,
  }
}
