import { httpsRedirect } from '../https-redirect.ts'
import { errorReply, type StageResult } from '../reply.ts'
import type { RequestContext } from '../request-context.ts'

const MISDIRECTED = errorReply(
  'MISDIRECTED_REQUEST',
  'the host is for clients that show a certificate in its own handshake',
)

/**
 * Sends requests without TLS where their route wants it, and keeps a host that asks for certificates from being reached over
 * a handshake in which none was asked for: 421 MISDIRECTED_REQUEST (RFC 9110 15.5.20).
 */
export function secureStage(context: RequestContext): StageResult {
  const { exchange, parts, route } = context
  if (!exchange.isTls && route?.isHttpsOnly === true && exchange.host !== '') {
    return httpsRedirect(exchange, parts.tls?.port ?? null)
  }
  const required = parts.tls === null ? null : parts.tls.certificates.requiredFor(exchange.host)
  if (required === null) return undefined
  const { tls } = exchange
  return tls?.certificate === required && tls.client !== null ? undefined : MISDIRECTED
}
