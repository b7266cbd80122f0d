import type { UpstreamSpec } from '../definitions/upstream.ts'

/** Said where requests would go to a target that only Streams can pass bytes on to. */
export const NOT_FOR_APIS =
  'tcp:// is for Streams: an Api sends requests, to http:// or https:// targets'

/** Place of the first target with `tcp://`; -1 without one. */
export function tcpTargetAt({ targets }: UpstreamSpec): number {
  return targets === undefined ? -1 : targets.findIndex(({ url }) => isTcp(url))
}

function isTcp(url: string): boolean {
  // No other scheme of a target begins with a t.
  return (url.charCodeAt(0) | 32) === 116
}
