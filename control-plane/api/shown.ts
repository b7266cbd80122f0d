import type { Definition, Kind } from '../../shared/definitions/kinds.ts'
import { redact } from '../../shared/definitions/redact.ts'
import { mayRead } from '../access/rights.ts'
import type { ApiContext } from './context.ts'
import type { RequestHead } from './exchange.ts'

/** Whether the caller may see anything of a kind. */
export function kindFilter(
  api: Pick<ApiContext, 'gate'>,
  request: RequestHead,
): (kind: Kind) => boolean {
  const { caller } = api.gate.admitted(request)
  // Nearly every caller sees all kinds.
  if (caller.kinds === null || caller.role !== 'viewer') return () => true
  return (kind) => mayRead(caller, kind)
}

/** What of a config the caller may see, without the secrets in it. */
export function shownTo(
  api: Pick<ApiContext, 'gate'>,
  request: RequestHead,
  definitions: readonly Definition[],
): Definition[] {
  const sees = kindFilter(api, request)
  return definitions.filter(({ kind }) => sees(kind)).map(redact)
}
