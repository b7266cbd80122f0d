import type { NodeAddress, NodeId } from '../ports.ts'

/** Entries of the join list, and which node answered there; null while none has. */
export type JoinList = ReadonlyMap<string, NodeId | null>

/** A node without a cluster, as another one sees it. */
export type FreshNode = {
  readonly address: NodeAddress
  readonly expect: number | null
  /** The proposal or cluster that it is bound to; null while it is free. */
  readonly bound: string | null
  /** Nodes without a cluster that it saw lately. */
  readonly sees: readonly NodeId[]
  /** Nodes that its join list names. */
  readonly lists: readonly NodeId[]
}

/** Whom to found a cluster with; or, in words, what is missing. */
export type Choice =
  | { readonly ok: true; readonly founders: readonly NodeAddress[] }
  | { readonly ok: false; readonly missing: string }

/**
 * Whether a node with this join list may found a cluster of these nodes. They must be more than half of all nodes that
 * it knows of by its list and by itself; and either the list names all of them (itself aside, which people may leave
 * out), or they are more than half of the list.
 *
 * Why: let every node have the same list of M entries, with or without itself. Founders that are all listed are more
 * than half of those nodes by the first rule, the others by the second. So any two sets of founders that their members
 * agree to share a node, and a node agrees to one at a time.
 */
export function mayFound(founders: readonly NodeAddress[], list: JoinList, self: NodeId): boolean {
  if (founders.length * 2 <= boxes(list, self, founders)) return false
  const listed = founders.filter((founder) => isListed(founder, list))
  const hasStranger = founders.some((founder) => founder.id !== self && !listed.includes(founder))
  return !hasStranger || listed.length > listSize(list) / 2
}

/** Nodes that the list names, each once; an entry that nobody answered at counts as one. */
export function listSize(list: JoinList): number {
  const answered = [...list.values()].filter((id) => id !== null)
  return list.size - answered.length + new Set(answered).size
}

/** How many nodes a node knows of: those that its list names, and itself. */
function boxes(list: JoinList, self: NodeId, known: readonly NodeAddress[]): number {
  const own = known.find(({ id }) => id === self)
  const isNamed = own !== undefined && isListed(own, list)
  return listSize(list) + (isNamed ? 0 : 1)
}

function isListed(node: NodeAddress, list: JoinList): boolean {
  return list.has(node.peer) || [...list.values()].includes(node.id)
}

/**
 * Chooses `expect` founders among this node and those that it sees: nodes that join lists name come first, then lower
 * ids. It is for the lowest id among them to propose, and only once each of them sees all others.
 */
export function chooseFounders(view: {
  readonly self: NodeAddress
  readonly expect: number
  readonly list: JoinList
  readonly fresh: readonly FreshNode[]
}): Choice {
  const { self, expect, list } = view
  const willing = view.fresh.filter((node) => node.expect === expect && node.bound === null)
  if (willing.length + 1 < expect) return missing(`sees ${willing.length + 1} of ${expect} nodes`)
  const named = new Set(view.fresh.flatMap((node) => node.lists))
  const rank = (node: NodeAddress) => (named.has(node.id) || isListed(node, list) ? 0 : 1)
  const founders = [self, ...willing.map((node) => node.address)]
    .toSorted((a, b) => rank(a) - rank(b) || a.id - b.id)
    .slice(0, expect)
    .toSorted((a, b) => a.id - b.id)
  const [proposer] = founders
  if (proposer !== undefined && proposer.id !== self.id) {
    return missing(`waits for ${proposer.name} to propose the cluster`)
  }
  for (const { address, sees } of willing) {
    const blind = founders.find(({ id }) => id !== address.id && !sees.includes(id))
    if (!founders.includes(address) || blind === undefined) continue
    return missing(`waits until ${address.name} sees ${blind.name}`)
  }
  if (mayFound(founders, list, self.id)) return { ok: true, founders }
  return missing(
    `sees enough nodes, but too few of its join list, or ${expect} are at most half of the nodes that it names: two ` +
      'clusters could come of it',
  )
}

function missing(what: string): Choice {
  return { ok: false, missing: what }
}
