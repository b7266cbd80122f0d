import { describeMembership, describeProgress } from '../../../control-plane/raft/log-text.ts'
import {
  changeSimply,
  enterJoint,
  leaveJoint,
  NO_MEMBERS,
  type Changed,
  type Members,
} from '../../../control-plane/raft/membership.ts'
import type { NodeId } from '../../../control-plane/raft/messages.ts'
import {
  committedIndex,
  majorityIndex,
  majorityVote,
  voteResult,
  type VoteResult,
} from '../../../control-plane/raft/quorum.ts'
import { parseChanges } from './trace-describe.ts'
import type { TraceCase } from './trace-file.ts'

// The two kinds of transcripts that are tables: membership changes and quorum arithmetic.

/** Runs membership changes one after another; a refused one changes nothing. */
export class ConfChangeTable {
  #members: Members = NO_MEMBERS
  #lastIndex = 0

  run(trace: TraceCase): string {
    const changed = this.#change(trace)
    this.#lastIndex++
    if (!changed.ok) return changed.reason
    this.#members = changed.members
    const { membership, progress } = changed.members
    const lines = [...progress]
      .sort(([a], [b]) => a - b)
      .map(([id, one]) => `${id}: ${describeProgress(one)}`)
    return [describeMembership(membership), ...lines].join('\n')
  }

  #change(trace: TraceCase): Changed {
    const lastIndex = this.#lastIndex
    const newcomer = { lastIndex, inflightMessagesMax: 10, inflightBytesMax: 0 }
    const changes = parseChanges(trace.input)
    if (trace.command === 'simple') return changeSimply(this.#members, changes, newcomer)
    if (trace.command === 'enter-joint') {
      const autoLeave = trace.args.some(({ key, values }) => {
        return key === 'autoleave' && values[0] !== 'false'
      })
      return enterJoint(this.#members, changes, { autoLeave, newcomer })
    }
    if (trace.command !== 'leave-joint') return { ok: false, reason: 'unknown command' }
    if (changes.length > 0) return { ok: false, reason: 'this command takes no input' }
    return leaveJoint(this.#members, newcomer)
  }
}

/** Answers one question about a quorum, with the bar chart that goes with commit indexes. */
export function runQuorum(trace: TraceCase): string {
  const listOf = (key: string): readonly string[] | undefined => {
    return trace.args.find((arg) => arg.key === key)?.values
  }
  const ids = unique((listOf('cfg') ?? []).map(Number))
  const jointArg = listOf('cfgj')
  const outgoing = unique((jointArg ?? []).filter((id) => id !== 'zero').map(Number))
  const all = unique([...ids, ...outgoing])
  const given = listOf(trace.command === 'vote' ? 'votes' : 'idx') ?? []
  if (given.length !== all.length) {
    return `error: mismatched input (explicit or _) for voters ${all.join(' ')}: ${given.join(' ')}`
  }
  const known = all.map((id, i): [NodeId, string] => [id, given[i] ?? '_'])
  const said = new Map(known.filter(([, value]) => value !== '_'))
  const voters = { incoming: ids, outgoing }
  const swapped = { incoming: outgoing, outgoing: ids }
  if (trace.command === 'vote') {
    const votes = new Map([...said].map(([id, vote]) => [id, vote === 'y']))
    const result = jointArg === undefined ? majorityVote(ids, votes) : voteResult(voters, votes)
    const symmetric = voteResult(swapped, votes)
    const note = symmetric === result ? '' : `${VOTES[symmetric]} <-- via symmetry\n`
    return `${note}${VOTES[result]}`
  }
  const acknowledged = (id: NodeId): number | null => Number(said.get(id) ?? 0) || null
  const index =
    jointArg === undefined
      ? majorityIndex(ids, { acknowledged })
      : committedIndex(voters, { acknowledged })
  const symmetric = committedIndex(swapped, { acknowledged })
  const note = symmetric === index ? '' : `${infinite(symmetric)} <-- via symmetry\n`
  return `${chart(all, acknowledged)}${note}${infinite(index)}`
}

const VOTES: Readonly<Record<VoteResult, string>> = {
  won: 'VoteWon',
  lost: 'VoteLost',
  pending: 'VotePending',
}

function chart(ids: readonly NodeId[], acknowledged: (id: NodeId) => number | null): string {
  if (ids.length === 0) return '<empty majority quorum>'
  const count = ids.length
  const indexes = ids.map((id) => acknowledged(id) ?? 0)
  let text = `${' '.repeat(count)}    idx\n`
  for (const id of ids.toSorted((a, b) => a - b)) {
    const index = acknowledged(id)
    const bar = indexes.filter((other) => other < (index ?? 0)).length
    const drawn =
      index === null ? `?${' '.repeat(count)}` : `${'x'.repeat(bar)}>${' '.repeat(count - bar)}`
    text += `${drawn} ${String(index ?? 0).padStart(5)}    (id=${id})\n`
  }
  return text
}

function infinite(index: number): string {
  return index === Number.MAX_SAFE_INTEGER ? '∞' : String(index)
}

function unique(ids: readonly NodeId[]): NodeId[] {
  return [...new Set(ids)]
}
