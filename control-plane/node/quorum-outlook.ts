import type { NodeId } from '../ports.ts'

/** Who votes, and who of them was heard lately; this node counts as heard. */
export type Outlook = {
  readonly voters: readonly NodeId[]
  readonly isHeard: (id: NodeId) => boolean
  readonly nameOf: (id: NodeId) => string
}

/**
 * Why a change from the present voters to `next` must not be begun, in words; null if it may. A change commits by a
 * majority of the present voters, and afterwards a majority of the next ones must be there, or nothing commits any more.
 */
export function changeIssue(outlook: Outlook, next: readonly NodeId[]): string | null {
  const { voters } = outlook
  const before = lack(outlook, voters)
  if (before !== null) {
    return (
      `nothing can be decided while only ${before.heard} of ${voters.length} voters can be heard: bring ${before.silent} ` +
      'back first. If a majority is lost for good, "raftway server recover --force-new-cluster" makes a new cluster of one'
    )
  }
  const after = lack(outlook, next)
  if (after === null) return null
  return (
    `afterwards only ${after.heard} of ${next.length} voters would be heard, and nothing could be written any more: ` +
    `bring ${after.silent} back first, or take out what is silent instead`
  )
}

/** Who is heard and who is not, in words, if the former are no majority of `voters`. */
function lack(
  { isHeard, nameOf }: Outlook,
  voters: readonly NodeId[],
): { readonly heard: string; readonly silent: string } | null {
  const heard = voters.filter(isHeard)
  if (heard.length * 2 > voters.length) return null
  const silent = voters.filter((id) => !isHeard(id))
  return { heard: listed(heard.map(nameOf)), silent: listed(silent.map(nameOf)) }
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.toSorted().join(' and ')
}
