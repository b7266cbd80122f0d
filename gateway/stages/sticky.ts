import { cookieValue } from '../../shared/routing/request-key.ts'
import type { StickyOptions } from '../../shared/routing/types.ts'
import type { Exchange } from '../exchange.ts'
import { tokenOf, type LiveTarget, type LiveUpstream } from '../upstream/live-upstreams.ts'

/** The target that a client was told to come back to, if it still takes requests. */
export function stuckTarget(
  sticky: StickyOptions,
  live: LiveUpstream,
  request: { readonly exchange: Exchange; readonly nowMs: number },
): LiveTarget | null {
  const token = presented(sticky, request.exchange)
  if (token === undefined) return null
  const target = live.byToken.get(token)
  return target !== undefined && live.selector.mayChoose(target, request.nowMs) ? target : null
}

/** The field line that tells a client its target; empty for one that said so itself. */
export function targetLine(sticky: StickyOptions, target: LiveTarget, exchange: Exchange): string {
  const token = tokenOf(target)
  if (presented(sticky, exchange) === token) return ''
  if (sticky.type === 'header') return `${sticky.name}: ${token}\r\n`
  const secure = exchange.isTls ? '; Secure' : ''
  return `Set-Cookie: ${sticky.name}=${token}${sticky.attributes}${secure}\r\n`
}

function presented(sticky: StickyOptions, exchange: Exchange): string | undefined {
  if (sticky.type === 'header') return exchange.header(sticky.name.toLowerCase())
  return cookieValue(exchange.header('cookie'), sticky.name)
}
