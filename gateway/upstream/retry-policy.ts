import type { ErrorCode } from '../../shared/errors.ts'

/** One attempt that failed before anything of an answer went to the client. */
export type FailedAttempt = {
  readonly method: string
  readonly code: ErrorCode
  /** The connection stood and the head was on its way: the target may have acted on the request. */
  readonly isSent: boolean
  /** The request body began to flow: it is streamed, so there is nothing to send again. */
  readonly isBodyStarted: boolean
  /** Further attempts that the upstream allows. */
  readonly attemptsLeft: number
}

/** RFC 9110 9.2.2: methods whose repetition has the effect of one. */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

/**
 * Whether a failed attempt may go to another target. What never reached a target may always; what may have been seen
 * by one only if the method can be repeated. A late answer is not asked for twice: the time is used up.
 */
export function mayRetry(attempt: FailedAttempt): boolean {
  if (attempt.attemptsLeft <= 0 || attempt.isBodyStarted) return false
  if (!attempt.isSent) return attempt.code !== 'BAD_REQUEST'
  return attempt.code === 'UPSTREAM_UNREACHABLE' && IDEMPOTENT.has(attempt.method)
}
