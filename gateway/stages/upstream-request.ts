import type { CompiledTarget, CompiledUpstream } from '../../shared/routing/types.ts'
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
    bodyLength: exchange.bodyLength,
    expectsContinue: exchange.expectsContinue,
    upgrade,
    needsHttp2: isGrpc(exchange),
    firstByteMs: route?.timeouts?.firstByteMs ?? upstream.firstByteMs,
    idleMs: route?.timeouts?.idleMs ?? upstream.idleMs,
  }
}
