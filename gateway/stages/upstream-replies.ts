import { errorReply, type Reply } from '../reply.ts'
import type { LiveUpstream } from '../upstream/live-upstreams.ts'
import type { UpstreamFailure } from '../upstream/upstream-connection.ts'

/** What a client is told when no target gave an answer. */
const REPLIES: Readonly<Partial<Record<UpstreamFailure['code'], Reply>>> = {
  UPSTREAM_UNREACHABLE: errorReply('UPSTREAM_UNREACHABLE', 'the target cannot be reached'),
  UPSTREAM_TIMEOUT: errorReply('UPSTREAM_TIMEOUT', 'the target took too long'),
  UPSTREAM_BAD_RESPONSE: errorReply('UPSTREAM_BAD_RESPONSE', 'the target sent a malformed answer'),
  UPSTREAM_PROTOCOL: errorReply(
    'UPSTREAM_PROTOCOL',
    'the target does not speak what the request needs',
  ),
  UPSTREAM_BUSY: errorReply('UPSTREAM_BUSY', 'every connection to the target is busy'),
  ROUTE_REMOVED: errorReply('ROUTE_REMOVED', 'the route was removed meanwhile'),
  BAD_REQUEST: errorReply('BAD_REQUEST', 'the request cannot be passed on'),
}
const INTERNAL = errorReply('INTERNAL', 'something went wrong in the gateway')
const OPEN = errorReply('UPSTREAM_OPEN', 'too many requests to the upstream failed')

const NO_TARGET = errorReply('UPSTREAM_UNREACHABLE', 'no target takes requests')
export const NONE_WELL = errorReply('UPSTREAM_UNHEALTHY', 'no target is well')

/** The reply for an attempt after which there is no other. */
export function replyFor({ code }: UpstreamFailure): Reply {
  return REPLIES[code] ?? INTERNAL
}

/** The reply when no target can be chosen: each was taken out, or none is well. */
export function replyWithout({ targets }: Pick<LiveUpstream, 'targets'>): Reply {
  const isOut = targets.length > 0 && targets.every(({ fullWeight }) => fullWeight === 0)
  return isOut ? NO_TARGET : NONE_WELL
}

/** The reply of an open breaker, with the time until it is worth another try. */
export function openReply(retryAfterMs: number): Reply {
  const seconds = Math.ceil(retryAfterMs / 1_000)
  return { ...OPEN, lines: OPEN.lines.replace('Retry-After: 1', `Retry-After: ${seconds}`) }
}

/** Whether a failure says something about the target: a full queue, a head that cannot be sent, another protocol do not. */
export function isTargetsFault({ code }: UpstreamFailure): boolean {
  return code !== 'UPSTREAM_BUSY' && code !== 'BAD_REQUEST' && code !== 'UPSTREAM_PROTOCOL'
}
