import type { Identity, NodeAddress } from '../ports.ts'
import type { ConfState, NodeId } from '../raft/messages.ts'
import type { Write } from './disk.ts'
import { historySuffix, memberSuffix } from './keys.ts'
import {
  deleteState,
  putMark,
  putState,
  type AppliedMark,
  type HistoryHead,
} from './state-records.ts'

/** How a state that stands becomes the beginning of another cluster. */
export type Refounding = {
  /** Of the new cluster. */
  readonly identity: Identity
  /** Its first voters, this node among them. */
  readonly founders: readonly NodeAddress[]
  /** Where it begins: above everything that the old cluster can have handed out. */
  readonly revision: number
  /** Milliseconds since 1970. */
  readonly atMs: number
  /** What history says of it. */
  readonly author: string
  readonly message: string
}

/** A membership of voters and nobody else. */
export function votersOnly(founders: readonly NodeAddress[]): ConfState {
  const voters = founders.map(({ id }) => id)
  return { voters, learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false }
}

/**
 * Where the refounded state stands, and what must be written for it. Its history is one revision without changes that
 * says where it comes from: what was before is compacted, because revisions in between were never made here.
 */
export function refoundingWrites(
  base: {
    readonly generation: number
    readonly mark: AppliedMark
    /** Members on disk, who all go unless they found. */
    readonly members: Iterable<NodeId>
  },
  { founders, revision, atMs, author, message }: Refounding,
): { readonly mark: AppliedMark; readonly writes: readonly Write[] } {
  const { generation } = base
  const mark: AppliedMark = {
    ...base.mark,
    confState: votersOnly(founders),
    revision,
    compactedRevision: revision - 1,
  }
  const head: HistoryHead = { revision, atMs, author, message, count: 0 }
  const writes = [
    putMark(generation, mark),
    putState(generation, historySuffix(revision, 0), head),
    ...[...base.members].map((id) => deleteState(generation, memberSuffix(id))),
    ...founders.map((founder) => putState(generation, memberSuffix(founder.id), founder)),
  ]
  return { mark, writes }
}
