import { RETRY_AFTER_SECONDS_MAX } from '../../shared/limits.ts'
import type { Reply } from '../reply.ts'

/** A reply with the whole seconds after which another try is worth it. */
export function withRetryAfter(reply: Reply, ms: number): Reply {
  const seconds = Math.min(RETRY_AFTER_SECONDS_MAX, Math.max(1, Math.ceil(ms / 1_000)))
  return { ...reply, lines: `${reply.lines}Retry-After: ${seconds}\r\n` }
}
