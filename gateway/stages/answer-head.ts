import type { StickyOptions } from '../../shared/routing/types.ts'
import type { Fields } from '../http1/fields.ts'
import type { RequestContext } from '../request-context.ts'
import type { LiveTarget } from '../upstream/live-upstreams.ts'
import { without } from './hop-by-hop.ts'
import { rewriteResponse } from './rewrite-response.ts'
import { targetLine } from './sticky.ts'

/** The field lines of a target's answer for a client: with what plugins have to say, and which target it may come back to. */
export function answerHead(
  { answerDropped, answerLines, exchange, parts }: RequestContext,
  fields: Fields,
  sticky: StickyOptions | null,
  from: LiveTarget | null,
): string {
  const given = rewriteResponse(fields, parts.httpDate)
  const kept = answerDropped === null ? given : without(given, answerDropped)
  const lines = kept + answerLines
  return sticky === null || from === null ? lines : lines + targetLine(sticky, from, exchange)
}
