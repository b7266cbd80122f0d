import type { SizeLimitOptions } from '../../shared/plugins/size-limit.ts'
import { BODY_TOO_LARGE, errorReply } from '../reply.ts'
import type { Check } from './plugin.ts'

const LENGTH_REQUIRED = errorReply('LENGTH_REQUIRED', 'the length of the body must be told')

/** Bounds request bodies: those of a told length at once, others while they come. */
export function sizeLimit({ bytes, consumers, requireLength }: SizeLimitOptions): Check {
  const ofConsumers = new Map(Object.entries(consumers ?? {}))
  const needsLength = requireLength === true
  return (context) => {
    const { exchange, identity } = context
    const name = identity?.consumer?.name
    const most = (name === undefined ? undefined : ofConsumers.get(name)) ?? bytes
    if (exchange.bodyLength === null && needsLength) return LENGTH_REQUIRED
    if ((exchange.bodyLength ?? 0) > most) return BODY_TOO_LARGE
    context.bodyBytesMax = Math.min(most, context.bodyBytesMax)
    return undefined
  }
}
