import type { ErrorCode } from '../../shared/errors.ts'
import type { Random } from '../../shared/random.ts'
import type { CompiledRetry } from '../../shared/routing/types.ts'

/** One attempt that failed before anything of an answer went to the client. */
export type FailedAttempt = {
  readonly method: string
  readonly code: ErrorCode
  /** The connection stood and the head was on its way: the target may have acted on the request. */
  readonly isSent: boolean
  /** The request body began to flow: it is streamed, so there is nothing to send again. */
  readonly isBodyStarted: boolean
  /** The time of one attempt was over, not that of the request. */
  readonly isTryTimeout: boolean
  /** Further attempts that the upstream allows. */
  readonly attemptsLeft: number
}

/** RFC 9110 9.2.2: methods whose repetition has the effect of one. */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

export function isIdempotent(method: string): boolean {
  return IDEMPOTENT.has(method)
}

/**
 * Whether a failed attempt may go to another target. What never reached a target may always; what may have been seen
 * by one only if the method can be repeated. A late answer is not asked for twice, unless an attempt has a time of its
 * own: otherwise the time is used up.
 */
export function mayRetry(attempt: FailedAttempt): boolean {
  if (attempt.attemptsLeft <= 0 || attempt.isBodyStarted) return false
  if (!attempt.isSent) return attempt.code !== 'BAD_REQUEST'
  const isWorthIt = attempt.code === 'UPSTREAM_UNREACHABLE' || attempt.isTryTimeout
  return isWorthIt && isIdempotent(attempt.method)
}

/** Whether an answer is one that another target may be asked for instead. */
export function mayRetryStatus(
  retry: CompiledRetry,
  status: number,
  attempt: Pick<FailedAttempt, 'method' | 'isBodyStarted' | 'attemptsLeft'>,
): boolean {
  return (
    retry.statuses.includes(status) &&
    attempt.attemptsLeft > 0 &&
    !attempt.isBodyStarted &&
    isIdempotent(attempt.method)
  )
}

/**
 * How long to wait before the `retryNumber`th further attempt, 1 ≤ retryNumber: anything up to a bound that doubles, so
 * that requests that failed together do not come again together. Source: "full jitter", Brooker 2015.
 */
export function backoffMs(retry: CompiledRetry, retryNumber: number, random: Random): number {
  if (retry.backoffMs === 0) return 0
  const bound = Math.min(retry.backoffMs * 2 ** (retryNumber - 1), retry.backoffMsMax)
  return Math.round((random.next() / 0x1_0000_0000) * bound)
}
