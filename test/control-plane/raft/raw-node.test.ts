// What the shell of a replica relies on, beyond the rules of the thesis: limits, forwarding, refusals, restarts.
import { describe, expect, test } from 'vitest'
import type { RaftOptions } from '../../../control-plane/raft/raw-node.ts'
import { isLocalMessage, RawNode } from '../../../control-plane/raft/raw-node.ts'
import { MemoryLog } from '../../../control-plane/raft/memory-log.ts'
import { Random } from '../../../shared/random.ts'
import { Cluster, DEFAULTS } from './cluster.ts'

const NO_CONTEXT = new Uint8Array(0)

function three(options: Partial<RaftOptions> = {}): Cluster {
  return new Cluster({ voters: [1, 2, 3], options })
}

describe('options', () => {
  const nonsense: readonly [string, Partial<RaftOptions>][] = [
    ['id', { id: 0 }],
    ['heartbeatTicks', { heartbeatTicks: 0 }],
    ['electionTicks', { electionTicks: 1 }],
    ['inflightMessagesMax', { inflightMessagesMax: 0 }],
    ['inflightBytesMax', { inflightBytesMax: 5, messageBytesMax: 10 }],
    ['checkQuorum', { readOnly: 'lease', checkQuorum: false }],
  ]
  for (const [name, given] of nonsense) {
    test(`a nonsense ${name} is refused before anything starts`, () => {
      const base = { id: 1, storage: new MemoryLog(), applied: 0, random: new Random(1) }
      expect(() => new RawNode({ ...DEFAULTS, ...base, ...given })).toThrow(name)
    })
  }
})

describe('proposals', () => {
  test('a batch is one append message, in order', () => {
    const cluster = three()
    const leader = cluster.elect(1)
    leader.raw.propose(['a', 'b', 'c'].map((text) => Buffer.from(text)))
    const appends = leader.takeReady().filter(({ type }) => type === 'app')
    const batches = appends.map((message) => (message.type === 'app' ? message.entries.length : 0))
    expect(batches).toEqual([3, 3])
  })

  test('a follower forwards to the leader, unless told not to', () => {
    const cluster = three()
    cluster.elect(1)
    expect(cluster.propose(2, 'a')).toBe('ok')
    expect(cluster.get(3).applied()).toEqual(['a'])
    const stubborn = three({ disableProposalForwarding: true })
    stubborn.elect(1)
    expect(stubborn.propose(2, 'a')).toBe('dropped')
  })

  test('without a leader they are dropped', () => {
    const cluster = three()
    expect(cluster.propose(1, 'a')).toBe('dropped')
    cluster.get(1).raw.campaign()
    expect(cluster.get(1).raw.propose([Buffer.from('a')])).toBe('dropped')
  })

  test('they are dropped beyond the uncommitted limit, and taken again once that is applied', () => {
    const cluster = three({ uncommittedBytesMax: 10 })
    const leader = cluster.elect(1)
    cluster.cut(1)
    expect(cluster.propose(1, 'far more than ten bytes')).toBe('ok')
    expect(cluster.propose(1, 'x')).toBe('dropped')
    cluster.heal()
    cluster.tick(3)
    expect(leader.applied()).toHaveLength(1)
    expect(cluster.propose(1, 'x')).toBe('ok')
  })
})

describe('flow control', () => {
  test('no more messages are in flight to a follower than its window takes', () => {
    const cluster = three({ inflightMessagesMax: 3 })
    const leader = cluster.elect(1)
    cluster.lose(({ to }) => to === 3)
    for (let i = 0; i < 10; i++) cluster.propose(1, `${i}`)
    expect(leader.raw.status().progress?.get(3)).toMatchObject({
      inflightMessages: 3,
      isInflightFull: true,
      isPaused: true,
    })
    cluster.heal()
    cluster.tick(3)
    expect(cluster.get(3).applied()).toHaveLength(10)
  })

  test('no more bytes are in flight to a follower than its window takes', () => {
    const cluster = three({ inflightBytesMax: 100, messageBytesMax: 50 })
    const leader = cluster.elect(1)
    cluster.lose(({ to }) => to === 3)
    for (let i = 0; i < 20; i++) cluster.propose(1, 'x'.repeat(30))
    expect(leader.raw.status().progress?.get(3)?.inflightMessages).toBe(4)
    cluster.heal()
    cluster.tick(5)
    expect(cluster.get(3).applied()).toHaveLength(20)
  })

  test('a follower that was reported unreachable is probed, and found again by a heartbeat', () => {
    const cluster = three()
    const leader = cluster.elect(1)
    leader.raw.reportUnreachable(3)
    expect(leader.raw.status().progress?.get(3)?.state).toBe('probe')
    cluster.tick(2)
    expect(leader.raw.status().progress?.get(3)?.state).toBe('replicate')
  })
})

describe('messages', () => {
  test('local types are known, so that none is taken from the wire', () => {
    const types = [
      'hup',
      'storage-append-resp',
      'app',
      'prop',
      'transfer-leader',
      'unreachable',
    ] as const
    expect(types.map(isLocalMessage)).toEqual([true, true, false, false, false, true])
  })

  test('an answer of somebody who is not a member is dropped', () => {
    const leader = three().elect(1)
    const outcome = leader.raw.step({
      type: 'heartbeat-resp',
      from: 9,
      to: 1,
      term: 1,
      context: '',
    })
    expect(outcome).toBe('dropped')
  })
})

describe('membership changes', () => {
  const change = (...changes: { type: 'remove' | 'add-voter'; id: number }[]) => {
    return { transition: 'auto', changes, context: NO_CONTEXT } as const
  }

  test('what could never be applied is told beforehand and commits as an empty entry', () => {
    const cluster = new Cluster({ voters: [1] })
    const leader = cluster.elect(1)
    expect(leader.raw.confChangeIssue(change({ type: 'remove', id: 1 }))).toBe('removed all voters')
    expect(leader.raw.confChangeIssue(change({ type: 'add-voter', id: 2 }))).toBeNull()
    leader.raw.proposeConfChange(change({ type: 'remove', id: 1 }))
    cluster.settle()
    expect(leader.confState.voters).toEqual([1])
    expect(cluster.propose(1, 'alive')).toBe('ok')
  })

  test('a change whose ids are all 0 changes nothing', () => {
    const leader = three().elect(1)
    const confState = leader.raw.applyConfChange(change({ type: 'remove', id: 0 }))
    expect(confState.voters).toEqual([1, 2, 3])
  })
})

describe('restarts', () => {
  test('a crash that kept the applied index but not the commit index loses nothing', () => {
    const replica = three().elect(1)
    replica.log.setHardState({ term: 1, vote: 1, commit: 1 })
    replica.restart()
    expect([replica.raw.commit, replica.raw.status().applied]).toEqual([2, 2])
  })

  test('what was applied is not handed out again', () => {
    const cluster = three()
    cluster.elect(1)
    cluster.propose(1, 'a')
    for (const replica of cluster.replicas.values()) replica.restart()
    cluster.elect(2)
    for (const replica of cluster.replicas.values()) expect(replica.applied()).toEqual(['a'])
  })
})

describe('the two storage modes', () => {
  test('a Ready must be advanced before the next one is taken', () => {
    const { raw } = three().get(1)
    raw.campaign()
    raw.ready()
    expect(() => raw.ready()).toThrow('advanced')
  })

  test('asynchronous storage answers instead of advance', () => {
    const { raw } = three({ asyncStorageWrites: true }).get(1)
    expect(() => raw.advance()).toThrow('storage threads')
  })

  test('several writes may be under way, and the log reads as if they were done', () => {
    const cluster = three({ asyncStorageWrites: true })
    const leader = cluster.elect(1)
    for (const text of ['a', 'b', 'c']) {
      leader.raw.propose([Buffer.from(text)])
      leader.takeReady()
    }
    expect(leader.appendWork).toHaveLength(3)
    expect(leader.raw.lastIndex).toBe(leader.log.lastIndex() + 3)
    cluster.settle()
    expect(leader.raw.lastIndex).toBe(leader.log.lastIndex())
  })
})
