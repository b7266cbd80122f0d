import { errorReply, type Reply } from '../reply.ts'
import type { RequestContext } from '../request-context.ts'

const OVERLOADED = errorReply('OVERLOADED', 'the gateway cannot keep up')

/** Refuses a share of the requests while the worker is late, by the priority of the caller's Plans: 503 OVERLOADED. */
export function shedLoad(context: RequestContext): Reply | undefined {
  const { shedding, random, metrics } = context.parts
  if (shedding === null || shedding.share === 0) return undefined
  const priority = context.entitlements?.priority ?? 0
  if (!shedding.sheds(priority, random.next() / 0x1_0000_0000)) return undefined
  metrics.shed()
  return OVERLOADED
}
