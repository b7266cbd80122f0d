import type { RefererAllowOptions } from '../../shared/plugins/referer-allow.ts'
import { Referers } from '../consumers/referers.ts'
import { errorReply } from '../reply.ts'
import type { Check } from './plugin.ts'

const NOT_FROM_THERE = errorReply('ACCESS_DENIED', 'requests from this page are not permitted here')

/** Lets requests in that come from some pages only. */
export function refererAllow({ referers, missing }: RefererAllowOptions): Check {
  const allowed = new Referers(referers)
  const withNone = missing === 'allow' ? undefined : NOT_FROM_THERE
  return ({ exchange }) => {
    const referer = exchange.header('referer')
    const origin = exchange.header('origin')
    if (referer === undefined && origin === undefined) return withNone
    return allowed.has(referer, origin) ? undefined : NOT_FROM_THERE
  }
}
