import type { RouteSpec } from '../definitions/api.ts'
import type { UpstreamSpec } from '../definitions/upstream.ts'
import { definitionKey } from '../changes.ts'

/** Where a route says what one of its upstreams is. */
export type UpstreamPlace = {
  /** Below the route. */
  readonly path: string
  /** Behind the key of the route: the key of an upstream that is written here. */
  readonly suffix: string
  readonly upstream: string | UpstreamSpec
}

/** Every place of a route where an upstream is named or written: its own, the branches of a split, a mirror. */
export function placesOf({ upstream, split, mirror }: RouteSpec): readonly UpstreamPlace[] {
  // The usual route has one at most.
  const own = upstream === undefined ? NOWHERE : [{ path: 'upstream', suffix: '', upstream }]
  if (split === undefined && mirror === undefined) return own
  const branches = (split?.branches ?? []).map((branch, at) => ({
    path: `split.branches.${at}.upstream`,
    suffix: `/split/${at}`,
    upstream: branch.upstream,
  }))
  const copies =
    mirror === undefined
      ? NOWHERE
      : [{ path: 'mirror.upstream', suffix: '/mirror', upstream: mirror.upstream }]
  return [...own, ...branches, ...copies]
}

const NOWHERE: readonly UpstreamPlace[] = []

/** The key of the upstream at a place of a route of an Api. */
export function keyAt(
  route: { readonly api: string; readonly at: number },
  place: UpstreamPlace,
): string {
  const { suffix, upstream } = place
  return typeof upstream === 'string'
    ? definitionKey('Upstream', upstream)
    : `${definitionKey('Api', route.api)}/${route.at}${suffix}`
}
