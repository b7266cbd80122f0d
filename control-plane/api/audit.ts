import { isRaftwayError } from '../../shared/errors.ts'
import { AUDIT_NAMES_MAX } from '../../shared/limits.ts'
import { callerName } from '../access/caller.ts'
import type { Need } from '../access/rights.ts'
import type { ApiContext } from './context.ts'
import type { ApiResponse, RequestHead } from './exchange.ts'
import { addressOf, type Admitted } from './gate.ts'

/** What a call turned out to be about, for the audit log. */
type Notes = { names: readonly string[]; count: number }

const notesOf = new WeakMap<RequestHead, Notes>()

/** Rights whose use is written down. */
const AUDITED = ['write', 'replace', 'operate']

/** Largest answer that is looked through for what was written. */
const ANSWER_BYTES_MAX = 64 * 1024

/** Whether a call that needs this is written down, when it is carried out. */
export function isAudited(need: Need): boolean {
  return need !== 'open' && AUDITED.includes(need.right)
}

/** Notes which definitions a write was about, from its answer. */
export function noteWritten(
  request: RequestHead,
  body: Readonly<Record<string, unknown>> | Buffer,
): void {
  const members = Buffer.isBuffer(body) ? parsed(body) : body
  const results = Array.isArray(members['results']) ? (members['results'] as unknown[]) : [members]
  const names: string[] = []
  for (const result of results.slice(0, AUDIT_NAMES_MAX)) {
    if (result === null || typeof result !== 'object') continue
    if ('kind' in result && 'name' in result) {
      names.push(`${String(result.kind)}/${String(result.name)}`)
    }
  }
  notesOf.set(request, { names, count: results.length })
}

/**
 * Writes down a call that was carried out, may have been, or was refused to this caller. Nothing of its body. What a
 * client got wrong changed nothing, and is not written down.
 */
export function auditCall(
  api: ApiContext,
  exchange: { readonly request: RequestHead; readonly response: ApiResponse },
  action: string,
): void {
  const { request, response } = exchange
  const admitted = api.gate.admitted(request)
  // The node that took the call writes it down, where the client's address is known.
  const { statusCode: status } = response
  const isMistake = status >= 400 && status < 500 && status !== 403
  if (admitted.isVouchedFor || isMistake) return
  const { names = [], count = 0 } = notesOf.get(request) ?? {}
  const fields = {
    ...whoAndWhat(request, admitted, action),
    status,
    revision: response.getHeader('Raftway-Revision'),
    ...(names.length === 0 ? {} : { definitions: names }),
    ...(count > names.length ? { definitionCount: count } : {}),
  }
  if (status === 403) api.logger.warn(fields, 'a call was refused')
  else api.logger.info(fields, 'a call was carried out')
}

/** Writes down a call that was refused for who made it. */
export function auditRefusal(
  api: ApiContext,
  request: RequestHead,
  refused: { readonly action: string; readonly error: unknown; readonly admitted: Admitted | null },
): void {
  const { action, error, admitted } = refused
  if (!isRaftwayError(error, 'UNAUTHENTICATED', 'FORBIDDEN', 'TOO_MANY_ATTEMPTS')) return
  const fields = { ...whoAndWhat(request, admitted, action), code: error.code }
  api.logger.warn({ ...fields, reason: error.message }, 'a call was refused')
}

function whoAndWhat(request: RequestHead, admitted: Admitted | null, action: string): object {
  const [path = ''] = (request.url ?? '').split('?')
  const caller = admitted?.caller ?? null
  return {
    audit: true,
    action,
    path,
    caller: caller === null ? null : callerName(caller),
    role: caller?.role ?? null,
    address: caller?.address ?? addressOf(request),
  }
}

function parsed(body: Buffer): Readonly<Record<string, unknown>> {
  if (body.length > ANSWER_BYTES_MAX) return { results: [] }
  // The answer of a leader: this same code made it.
  return JSON.parse(body.toString()) as Readonly<Record<string, unknown>>
}
