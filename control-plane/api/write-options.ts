import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { RaftwayError, type Issue } from '../../shared/errors.ts'
import {
  AUTHOR_CHARS_MAX,
  IDEMPOTENCY_KEY_CHARS_MAX,
  WAIT_APPLIED_MS_DEFAULT,
  WAIT_APPLIED_MS_MAX,
} from '../../shared/limits.ts'
import { Query } from './query.ts'

/** What options are read from. */
type Head = Pick<IncomingMessage, 'url' | 'headers'>

/** What every write understands beside its body. */
export type WriteOptions = {
  /** The client's key, or one made here: an attempt that is repeated after a lost answer happens once. */
  readonly key: string
  /** Who the client says it writes for; null when it does not say. */
  readonly author: string | null
  readonly dryRun: boolean
  /** How long to wait for gateways; null not to wait. Milliseconds. */
  readonly waitMs: number | null
}

/**
 * A guard on one definition: null for none; `absent` it must not exist; `present` it must; a number is the revision
 * that must stand.
 */
export type Guard = null | 'absent' | 'present' | number

const KNOWN = ['wait', 'timeoutMs', 'dryRun'] as const

/** Reads the options of a write. INVALID_REQUEST with every issue. */
export function readWriteOptions(request: Head): WriteOptions {
  const query = new Query(request.url ?? '', KNOWN)
  const wait = query.oneOf('wait', ['applied'])
  const timeoutMs = query.integer('timeoutMs', { min: 0, max: WAIT_APPLIED_MS_MAX })
  const dryRun = query.flag('dryRun')
  const key = header(request, 'Idempotency-Key', IDEMPOTENCY_KEY_CHARS_MAX, query)
  const author = header(request, 'Raftway-Author', AUTHOR_CHARS_MAX, query)
  query.finish()
  return {
    key: key ?? randomUUID(),
    author,
    dryRun,
    waitMs: wait === undefined ? null : (timeoutMs ?? WAIT_APPLIED_MS_DEFAULT),
  }
}

/** The query of a write as the leader needs it: waiting for gateways is done by the node that was asked. */
export function forwardedTarget(request: Head, options: WriteOptions): string {
  const url = request.url ?? ''
  const at = url.indexOf('?')
  const path = at === -1 ? url : url.slice(0, at)
  return options.dryRun ? `${path}?dryRun=true` : path
}

/** Reads `If-Match` and `If-None-Match` (RFC 9110 13.1). INVALID_REQUEST for what no definition could carry. */
export function readGuard(request: Head): Guard {
  const ifMatch = request.headers['if-match']
  const ifNoneMatch = request.headers['if-none-match']
  if (ifMatch === undefined && ifNoneMatch === undefined) return null
  if (ifMatch !== undefined && ifNoneMatch !== undefined) {
    throw badHeader('If-Match', 'cannot be combined with If-None-Match')
  }
  if (ifNoneMatch !== undefined) {
    if (ifNoneMatch.trim() === '*') return 'absent'
    throw badHeader('If-None-Match', 'must be * on a write')
  }
  const text = ifMatch?.trim() ?? ''
  if (text === '*') return 'present'
  const revision = /^"(\d{1,15})"$/.exec(text)?.[1]
  if (revision === undefined) {
    throw badHeader('If-Match', 'must be one revision in double quotes, such as "42", or *')
  }
  return Number(revision)
}

/** An INVALID_REQUEST about one header. */
function badHeader(name: string, message: string): RaftwayError {
  const issues: Issue[] = [{ path: name, message }]
  return new RaftwayError('INVALID_REQUEST', `The header ${name} ${message}.`, { issues })
}

function header(request: Head, name: string, charsMax: number, query: Query): string | null {
  const given = request.headers[name.toLowerCase()]
  if (given === undefined) return null
  const text = (Array.isArray(given) ? given.join(', ') : given).trim()
  if (text.length === 0 || text.length > charsMax) {
    query.issue(name, `must have 1 to ${charsMax} characters`)
  } else if (!/^[\x20-\x7e\x80-\xff]+$/.test(text)) {
    query.issue(name, 'must not have control characters')
  }
  return text
}
