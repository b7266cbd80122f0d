import type { CompiledTarget, CompiledUpstream } from '../../shared/routing/types.ts'
import type { Exchange } from '../exchange.ts'
import { isGrpc } from '../grpc.ts'
import type { RequestContext } from '../request-context.ts'
import type { UpstreamRequest } from '../upstream/upstream-connection.ts'

/** What a target of this upstream is asked: the request as the stages have left it. */
export function upstreamRequest(
  context: RequestContext,
  upstream: CompiledUpstream,
  target: CompiledTarget,
): UpstreamRequest {
  const { exchange, targetPath, lines, route, upgrade } = context
  return {
    method: exchange.method,
    path: targetPath,
    host: upstream.hostHeader === 'target' ? target.authority : exchange.authority,
    lines,
    bodyLength: bodyLengthOf(exchange),
    expectsContinue: exchange.expectsContinue,
    upgrade,
    needsHttp2: isGrpc(exchange),
    firstByteMs: route?.timeouts?.firstByteMs ?? upstream.firstByteMs,
    idleMs: route?.timeouts?.idleMs ?? upstream.idleMs,
  }
}

/**
 * As the client says it, unless it also says, over HTTP/2, that trailers follow: in HTTP/1.1 only a chunked body can have
 * some (RFC 9110 6.5), so that its length is not told.
 */
function bodyLengthOf(exchange: Exchange): number | null {
  const { bodyLength, protocol } = exchange
  if (protocol !== 'HTTP/2' || bodyLength === 0) return bodyLength
  return exchange.header('trailer') === undefined ? bodyLength : null
}
