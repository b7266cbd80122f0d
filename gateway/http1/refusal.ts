import type { ErrorCode } from '../../shared/errors.ts'

/** Why bytes are no message that may pass. The connection closes after it. */
export type Refusal = {
  readonly code: ErrorCode
  /** For clients: says what is wrong, nothing of what was sent. */
  readonly message: string
}

/** A message that is not what RFC 9112 says, or could be read in two ways. */
export function malformed(message: string): Refusal {
  return { code: 'BAD_REQUEST', message }
}

/** A head that was begun and not sent to its end in time. */
export const HEAD_TIMEOUT: Refusal = {
  code: 'REQUEST_TIMEOUT',
  message: 'the request head took too long',
}
