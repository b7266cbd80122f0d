import { Networks } from '../../shared/addresses/networks.ts'
import type { IpListOptions } from '../../shared/plugins/ip-list.ts'
import { errorReply } from '../reply.ts'
import type { Check } from './plugin.ts'

const NOT_FROM_HERE = errorReply(
  'ACCESS_DENIED',
  'requests from this address are not permitted here',
)

/** Lets requests in from some addresses only. */
export function ipAllow({ networks }: IpListOptions): Check {
  const allowed = new Networks(networks)
  return ({ exchange }) => (allowed.hasText(exchange.clientAddress) ? undefined : NOT_FROM_HERE)
}

/** Keeps requests out that come from some addresses. */
export function ipDeny({ networks }: IpListOptions): Check {
  const denied = new Networks(networks)
  return ({ exchange }) => (denied.hasText(exchange.clientAddress) ? NOT_FROM_HERE : undefined)
}
