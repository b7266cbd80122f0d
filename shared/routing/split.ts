import { matchesPattern, type Predicate } from './predicates.ts'
import { cookieValue } from './request-key.ts'
import type { KeySource, RequestView } from './types.ts'

/** Where the requests of a route go, when there is more than one upstream for them. */
export type CompiledSplit = {
  readonly branches: readonly Branch[]
  /** Sum of the weights, above 0. */
  readonly total: number
  /** Whether requests are told apart by `on`, or each is drawn for itself. */
  readonly isKeyed: boolean
  /** Null with `isKeyed`: by the address of the client. */
  readonly on: KeySource | null
}

export type Branch = {
  readonly upstreamKey: string
  readonly weight: number
  /** Both empty for a branch that only weighs. */
  readonly headers: readonly Predicate[]
  readonly cookies: readonly Predicate[]
}

/** The first branch whose conditions a request fulfils; null when there is none. */
export function branchByCondition(split: CompiledSplit, request: RequestView): Branch | null {
  for (const branch of split.branches) if (fulfils(branch, request)) return branch
  return null
}

/** The branch at a point of all weights laid end to end, 0 ≤ point < 1. */
export function branchByWeight(split: CompiledSplit, point: number): Branch | null {
  let left = point * split.total
  for (const branch of split.branches) {
    left -= branch.weight
    if (left < 0) return branch
  }
  // Rounding may leave a rest at the very end.
  return split.branches.findLast(({ weight }) => weight > 0) ?? null
}

function fulfils({ headers, cookies }: Branch, request: RequestView): boolean {
  if (headers.length + cookies.length === 0) return false
  for (const { name, pattern } of headers) {
    if (!matchesPattern(pattern, request.header(name))) return false
  }
  for (const { name, pattern } of cookies) {
    if (!matchesPattern(pattern, cookieValue(request.header('cookie'), name))) return false
  }
  return true
}

/** Every upstream of a split with its conditions and weight, for people. */
export function describeSplit({ branches }: CompiledSplit): string {
  return branches
    .map(({ upstreamKey, weight, headers, cookies }) => {
      const names = [...headers, ...cookies].map(({ name }) => name)
      const when = names.length === 0 ? '' : ` when ${names.join(' and ')}`
      return `${upstreamKey} x${weight}${when}`
    })
    .join(' | ')
}
