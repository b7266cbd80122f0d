// One test a rule of Ongaro's dissertation "Consensus: Bridging Theory and Practice"; each name begins with the
// section that states the rule. Replicas begin with a log whose first entry (index 1, term 1) is compacted.
import { describe, expect, test } from 'vitest'
import { makeEntry } from '../../../control-plane/raft/entry.ts'
import type {
  Entry,
  EntryId,
  Message,
  MessageOf,
  NodeId,
} from '../../../control-plane/raft/messages.ts'
import type { ConfChange } from '../../../control-plane/raft/raw-node.ts'
import { Cluster, type Replica } from './cluster.ts'

const NO_CONTEXT = new Uint8Array(0)

const three = (options: ConstructorParameters<typeof Cluster>[0]['options'] = {}): Cluster =>
  new Cluster({ voters: [1, 2, 3], options })

function entriesOf(first: number, ...terms: number[]): Entry[] {
  return terms.map((term, i) => makeEntry({ term, index: first + i }, 'normal', Buffer.from('x')))
}

function append(
  from: NodeId,
  to: NodeId,
  rest: { term: number; prev: EntryId; entries?: Entry[]; commit?: number },
): MessageOf<'app'> {
  const { term, prev, entries = [], commit = 1 } = rest
  return { type: 'app', from, to, term, prev, entries, commit }
}

function voteRequest(from: NodeId, to: NodeId, term: number, last: EntryId): Message {
  return { type: 'vote', from, to, term, last, isTransfer: false }
}

function saidOf<T extends Message['type']>(replica: Replica, type: T): (Message & { type: T })[] {
  const is = (message: Message): message is Message & { type: T } => message.type === type
  return replica.say().filter(is)
}

function change(...changes: ConfChange['changes']): ConfChange {
  return { transition: 'auto', changes, context: NO_CONTEXT }
}

describe('3.3 terms', () => {
  for (const role of ['follower', 'candidate', 'leader'] as const) {
    test(`3.3: a ${role} that sees a higher term follows in it`, () => {
      const cluster = three()
      const { raw } = cluster.get(1)
      if (role === 'leader') cluster.elect(1)
      if (role === 'candidate') raw.campaign()
      expect(raw.role).toBe(role)
      raw.step(append(2, 1, { term: 7, prev: { term: 1, index: 1 } }))
      expect([raw.role, raw.term, raw.leader]).toEqual(['follower', 7, 2])
    })
  }

  test('3.3: messages of a lower term change nothing', () => {
    const cluster = three()
    const replica = cluster.get(1)
    replica.rewrite([2], { term: 5 })
    const entries = entriesOf(2, 3, 3)
    replica.raw.step(append(2, 1, { term: 3, prev: { term: 1, index: 1 }, entries, commit: 3 }))
    replica.say()
    expect(replica.terms()).toEqual([2])
    expect([replica.raw.term, replica.raw.commit, replica.raw.leader]).toEqual([5, 1, 0])
  })
})

describe('3.4 elections', () => {
  test('3.4: a follower that hears nobody campaigns in the next term and votes for itself', () => {
    const { raw, log, ...rest } = cluster1()
    for (let i = 0; i < 20; i++) raw.tick()
    rest.replica.say()
    expect(raw.role).toBe('candidate')
    expect(log.initialState().hardState).toMatchObject({ term: 1, vote: 1 })
  })

  function cluster1(): { replica: Replica; raw: Replica['raw']; log: Replica['log'] } {
    const replica = three().get(1)
    return { replica, raw: replica.raw, log: replica.log }
  }

  test('3.4: a node votes for at most one candidate a term, and again for the same one', () => {
    const replica = three().get(1)
    const last = { term: 1, index: 1 }
    replica.raw.step(voteRequest(2, 1, 1, last))
    replica.raw.step(voteRequest(3, 1, 1, last))
    replica.raw.step(voteRequest(2, 1, 1, last))
    const answers = saidOf(replica, 'vote-resp')
    expect(answers.map(({ to, reject }) => [to, reject])).toEqual([
      [2, false],
      [3, true],
      [2, false],
    ])
  })

  test('3.4: a candidate needs the votes of a majority of the whole cluster', () => {
    const cluster = new Cluster({ voters: [1, 2, 3, 4, 5] })
    const replica = cluster.get(1)
    replica.raw.campaign()
    replica.say()
    const vote = (from: NodeId): Message => {
      return { type: 'vote-resp', from, to: 1, term: 1, reject: false }
    }
    replica.raw.step(vote(2))
    replica.raw.step(vote(2))
    expect(replica.raw.role).toBe('candidate')
    replica.raw.step(vote(3))
    expect(replica.raw.role).toBe('leader')
  })

  test('3.4: a candidate that a majority refuses goes back to following', () => {
    const replica = three().get(1)
    replica.raw.campaign()
    replica.say()
    for (const from of [2, 3]) {
      replica.raw.step({ type: 'vote-resp', from, to: 1, term: 1, reject: true })
    }
    expect(replica.raw.role).toBe('follower')
  })

  test("3.4: a candidate steps down on an append of its term's leader", () => {
    const replica = three().get(1)
    replica.raw.campaign()
    replica.say()
    replica.raw.step(append(2, 1, { term: 1, prev: { term: 1, index: 1 } }))
    expect([replica.raw.role, replica.raw.term, replica.raw.leader]).toEqual(['follower', 1, 2])
  })

  test('3.4: election timeouts are spread over [n, 2n - 1] ticks', () => {
    const waits = new Set<number>()
    for (let seed = 1; seed <= 200; seed++) {
      const { raw } = new Cluster({ voters: [1, 2, 3], seed }).get(1)
      let ticks = 0
      for (; raw.role === 'follower'; ticks++) raw.tick()
      waits.add(ticks)
    }
    expect([...waits].toSorted((a, b) => a - b)).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 18, 19])
  })

  test('3.4: followers of one cluster rarely time out together', () => {
    let together = 0
    for (let seed = 1; seed <= 200; seed++) {
      const cluster = new Cluster({ voters: [1, 2, 3, 4, 5], seed })
      const raws = [...cluster.replicas.values()].map(({ raw }) => raw)
      while (raws.every(({ role }) => role === 'follower')) for (const raw of raws) raw.tick()
      if (raws.filter(({ role }) => role === 'candidate').length > 1) together++
    }
    expect(together).toBeLessThan(100)
  })

  test('3.4: after a split vote nobody leads, and a later term elects somebody', () => {
    const cluster = new Cluster({ voters: [1, 2] })
    cluster.get(1).raw.campaign()
    cluster.get(2).raw.campaign()
    cluster.settle()
    expect(cluster.leaders()).toEqual([])
    cluster.tick(60)
    expect(cluster.leaders()).toHaveLength(1)
    expect(cluster.get(1).raw.term).toBeGreaterThan(1)
  })

  test('3.4: a leader sends heartbeats, which keep its followers from campaigning', () => {
    const cluster = three()
    cluster.elect(1)
    cluster.tick(100)
    expect(cluster.leaders()).toEqual([1])
    expect(cluster.get(2).raw.term).toBe(1)
    cluster.cut(1)
    cluster.tick(40, 2, 3)
    expect(cluster.get(2).raw.term).toBeGreaterThan(1)
  })
})

describe('3.5 log replication', () => {
  test('3.5: an entry is committed once a majority holds it, and not before', () => {
    const cluster = three()
    const leader = cluster.elect(1)
    const before = leader.raw.commit
    cluster.cut(1)
    cluster.propose(1, 'a')
    expect(leader.raw.commit).toBe(before)
    leader.raw.step({ ...accepted(2, leader), index: before + 1 })
    expect(leader.raw.commit).toBe(before + 1)
  })

  function accepted(from: NodeId, leader: Replica): MessageOf<'app-resp'> {
    const { term, lastIndex } = leader.raw
    const hint = { term: 0, index: 0 }
    return { type: 'app-resp', from, to: leader.id, term, index: lastIndex, reject: false, hint }
  }

  test('3.5: followers learn the commit index and apply in log order', () => {
    const cluster = three()
    cluster.elect(2)
    cluster.propose(2, 'a', 'b')
    cluster.propose(2, 'c')
    for (const replica of cluster.replicas.values()) {
      expect(replica.applied()).toEqual(['a', 'b', 'c'])
    }
  })

  test('3.5: a follower commits no further than the last entry it knows to match', () => {
    const replica = three().get(1)
    replica.rewrite([1, 1, 1], { term: 1 })
    const entries = entriesOf(2, 1)
    replica.raw.step(append(2, 1, { term: 2, prev: { term: 1, index: 1 }, entries, commit: 4 }))
    expect(replica.raw.commit).toBe(2)
  })

  test('3.5: a heartbeat commits no further than what the follower is known to match', () => {
    const cluster = three()
    const leader = cluster.elect(1)
    cluster.cut(3)
    cluster.propose(1, 'a')
    leader.raw.tick()
    const beats = saidOf(leader, 'heartbeat')
    const match = leader.raw.status().progress?.get(3)?.match
    expect(beats.find(({ to }) => to === 3)?.commit).toBe(match)
    expect(match).toBeLessThan(leader.raw.commit)
  })

  test('3.5: a follower refuses entries whose predecessor it does not hold', () => {
    const replica = three().get(1)
    replica.rewrite([2, 2], { term: 2 })
    for (const prev of [
      { term: 2, index: 4 },
      { term: 3, index: 3 },
    ]) {
      const entries = entriesOf(prev.index + 1, 3)
      replica.raw.step(append(2, 1, { term: 3, prev, entries }))
      expect(saidOf(replica, 'app-resp').at(-1)).toMatchObject({ reject: true, index: prev.index })
    }
    expect(replica.terms()).toEqual([2, 2])
  })

  test('3.5: entries that conflict with the leader are replaced, and all that follow them', () => {
    const replica = three().get(1)
    replica.rewrite([2, 2, 2, 2], { term: 3 })
    const entries = entriesOf(3, 4)
    replica.raw.step(append(2, 1, { term: 4, prev: { term: 2, index: 2 }, entries }))
    replica.say()
    expect(replica.terms()).toEqual([2, 4])
  })

  test('3.5: a late append removes nothing that a later one brought', () => {
    const replica = three().get(1)
    const prev = { term: 1, index: 1 }
    replica.raw.step(append(2, 1, { term: 2, prev, entries: entriesOf(2, 2, 2, 2) }))
    replica.raw.step(append(2, 1, { term: 2, prev, entries: entriesOf(2, 2) }))
    replica.say()
    expect(replica.terms()).toEqual([2, 2, 2])
  })

  // Raft thesis Figure 3.6: what followers may look like when the leader of term 8 comes to power.
  const leaderTerms = [1, 1, 4, 4, 5, 5, 6, 6, 6]
  const followers = {
    'that misses the last entry': [1, 1, 4, 4, 5, 5, 6, 6],
    'that misses many entries': [1, 1, 4],
    'with an uncommitted entry too many': [1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
    'with two entries of an unknown term': [1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
    'that went its own way early': [1, 1, 4, 4, 4, 4],
    'with a long tail of old terms': [1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
  }
  for (const [which, terms] of Object.entries(followers)) {
    test(`3.5: the leader brings a follower ${which} to its own log (Figure 3.6)`, () => {
      const cluster = three()
      cluster.get(1).rewrite(leaderTerms, { term: 7 })
      cluster.get(2).rewrite(terms, { term: 7 })
      cluster.get(3).rewrite([], { term: 7 })
      const leader = cluster.get(1)
      leader.raw.campaign()
      leader.say()
      leader.raw.step({ type: 'vote-resp', from: 3, to: 1, term: 8, reject: false })
      expect(leader.raw.role).toBe('leader')
      cluster.work(1)
      cluster.settle()
      const expected = [...leaderTerms, 8]
      for (const replica of cluster.replicas.values()) expect(replica.terms()).toEqual(expected)
    })
  }

  test("3.5: a leader only appends: nothing a follower holds or says changes the leader's log", () => {
    const cluster = three()
    cluster.get(1).rewrite([2, 2], { term: 3 })
    cluster.get(3).rewrite([3, 3], { term: 3 })
    cluster.cut(3)
    const leader = cluster.elect(1)
    cluster.heal()
    cluster.propose(1, 'a')
    const before = leader.entries().slice(0, 4)
    cluster.tick(5)
    leader.raw.step(
      append(2, 1, { term: 1, prev: { term: 1, index: 1 }, entries: entriesOf(2, 1) }),
    )
    cluster.settle()
    expect(leader.entries().slice(0, 4)).toEqual(before)
    expect(cluster.get(3).terms()).toEqual(leader.terms())
  })
})

describe('3.6 safety', () => {
  const own = [1, 2, 2]
  const candidates = [
    { last: { term: 3, index: 2 }, mayWin: true, because: 'a later last term' },
    { last: { term: 2, index: 5 }, mayWin: true, because: 'a longer log' },
    { last: { term: 2, index: 4 }, mayWin: true, because: 'an equal log' },
    { last: { term: 2, index: 3 }, mayWin: false, because: 'a shorter log' },
    { last: { term: 1, index: 9 }, mayWin: false, because: 'an earlier last term' },
  ]
  for (const { last, mayWin, because } of candidates) {
    const verb = mayWin ? 'gets' : 'is refused'
    test(`3.6.1: a candidate with ${because} ${verb} the vote`, () => {
      const replica = three().get(1)
      replica.rewrite(own, { term: 3 })
      replica.raw.step(voteRequest(2, 1, 4, last))
      expect(saidOf(replica, 'vote-resp')[0]?.reject).toBe(!mayWin)
    })
  }

  test('3.6.2: an entry of an earlier term is not committed by counting (Figure 3.7)', () => {
    const cluster = new Cluster({ voters: [1, 2, 3, 4, 5] })
    // (c) of the figure: S1 leads again in term 4 and has spread its entry of term 2 to a majority.
    cluster.get(1).rewrite([2], { term: 3 })
    cluster.get(2).rewrite([2], { term: 3 })
    const leader = cluster.get(1)
    leader.raw.campaign()
    leader.say()
    for (const from of [2, 3]) {
      leader.raw.step({ type: 'vote-resp', from, to: 1, term: 4, reject: false })
    }
    expect(leader.raw.role).toBe('leader')
    leader.say()
    const hint = { term: 0, index: 0 }
    const accept = (from: NodeId, index: number): Message => {
      return { type: 'app-resp', from, to: 1, term: 4, index, reject: false, hint }
    }
    for (const from of [2, 3, 4, 5]) leader.raw.step(accept(from, 2))
    expect(leader.raw.commit, 'every node holds index 2, yet it may still be replaced').toBe(1)
    // (e): one entry of its own term on a majority commits everything before it.
    leader.raw.step(accept(2, 3))
    expect(leader.raw.commit).toBe(1)
    leader.raw.step(accept(3, 3))
    expect(leader.raw.commit).toBe(3)
  })

  test('3.6.2: a joined majority does not commit an entry of an earlier term either', () => {
    const replica = three().get(1)
    replica.rewrite([1, 1], { term: 1 })
    replica.raw.campaign()
    replica.say()
    replica.raw.step({ type: 'vote-resp', from: 2, to: 1, term: 2, reject: false })
    replica.say()
    replica.raw.applyConfChange(change({ type: 'remove', id: 3 }))
    replica.raw.applyConfChange(change({ type: 'remove', id: 2 }))
    expect(replica.raw.commit, 'the own entry of the new term is on the only disk').toBe(4)
  })

  test('3.6.3: whoever misses a committed entry cannot win (leader completeness)', () => {
    const cluster = three()
    cluster.elect(1)
    cluster.cut(3)
    cluster.propose(1, 'committed')
    cluster.heal()
    cluster.lose(({ type }) => type === 'app')
    for (let i = 0; i < 5; i++) cluster.elect(3)
    expect(cluster.leaders()).not.toContain(3)
    const heir = cluster.elect(2)
    expect(heir.raw.role).toBe('leader')
    expect(heir.applied()).toContain('committed')
  })

  test('3.6.3: what one state machine applied at an index, no other applies differently', () => {
    const cluster = new Cluster({ voters: [1, 2, 3, 4, 5] })
    cluster.elect(1)
    cluster.propose(1, 'a')
    cluster.cut(1, 2)
    cluster.propose(1, 'lost 1', 'lost 2')
    cluster.elect(3)
    cluster.propose(3, 'b')
    cluster.heal()
    cluster.tick(3)
    for (const replica of cluster.replicas.values()) expect(replica.applied()).toEqual(['a', 'b'])
  })
})

describe('3.8 persisted state', () => {
  test('3.8: term and vote survive a restart', () => {
    const replica = three().get(1)
    const last = { term: 1, index: 1 }
    replica.raw.step(voteRequest(2, 1, 5, last))
    replica.say()
    replica.restart()
    expect(replica.raw.term).toBe(5)
    replica.raw.step(voteRequest(3, 1, 5, last))
    replica.raw.step(voteRequest(2, 1, 5, last))
    const answers = saidOf(replica, 'vote-resp')
    expect(answers.map(({ to, reject }) => [to, reject])).toEqual([
      [3, true],
      [2, false],
    ])
  })

  test('3.8: a vote that changes nothing else survives a restart as well', () => {
    const replica = three().get(1)
    // The first candidate is behind: it raises the term, and gets no vote.
    replica.raw.step(voteRequest(2, 1, 5, { term: 0, index: 0 }))
    replica.say()
    replica.raw.step(voteRequest(2, 1, 5, { term: 1, index: 1 }))
    expect(saidOf(replica, 'vote-resp').map(({ reject }) => reject)).toEqual([false])
    replica.restart()
    replica.raw.step(voteRequest(3, 1, 5, { term: 1, index: 1 }))
    expect(saidOf(replica, 'vote-resp').map(({ reject }) => reject)).toEqual([true])
  })

  test('3.8: committed entries survive the restart of the whole cluster', () => {
    const cluster = three()
    cluster.elect(1)
    cluster.propose(1, 'a')
    for (const replica of cluster.replicas.values()) replica.restart()
    cluster.inFlight = []
    cluster.elect(2)
    cluster.propose(2, 'b')
    for (const replica of cluster.replicas.values()) expect(replica.applied()).toEqual(['a', 'b'])
  })

  test('3.8: a vote leaves only after it is durable', () => {
    const replica = three({ asyncStorageWrites: true }).get(1)
    replica.raw.step(voteRequest(2, 1, 5, { term: 1, index: 1 }))
    expect(replica.takeReady().map(({ type }) => type)).toEqual([])
    expect(replica.finishAppend().map(({ type }) => type)).toEqual(['vote-resp'])
    expect(replica.log.initialState().hardState.vote).toBe(2)
  })

  test('3.8: entries are acknowledged only after they are durable', () => {
    const replica = three({ asyncStorageWrites: true }).get(1)
    const entries = entriesOf(2, 5)
    replica.raw.step(append(2, 1, { term: 5, prev: { term: 1, index: 1 }, entries }))
    expect(replica.takeReady().map(({ type }) => type)).toEqual([])
    expect(replica.terms()).toEqual([])
    expect(replica.finishAppend().map(({ type }) => type)).toEqual(['app-resp'])
    expect(replica.terms()).toEqual([5])
  })

  test('3.8: a candidate counts its own vote only after it is durable', () => {
    const replica = new Cluster({ voters: [1], options: { asyncStorageWrites: true } }).get(1)
    replica.raw.campaign()
    replica.takeReady()
    expect(replica.raw.role).toBe('candidate')
    replica.finishAppend()
    expect(replica.raw.role).toBe('leader')
  })

  test('3.8: a committed entry is handed out only after it is durable here', () => {
    const replica = three({ asyncStorageWrites: true }).get(1)
    const entries = entriesOf(2, 5)
    replica.raw.step(append(2, 1, { term: 5, prev: { term: 1, index: 1 }, entries, commit: 2 }))
    replica.takeReady()
    expect(replica.raw.commit).toBe(2)
    expect(replica.applyWork).toHaveLength(0)
    replica.finishAppend()
    replica.takeReady()
    expect(replica.applyWork).toHaveLength(1)
  })

  test('10.2.1: a leader sends entries while it writes them, and counts itself once they are durable', () => {
    const cluster = three({ asyncStorageWrites: true })
    const leader = cluster.elect(1)
    const before = leader.raw.commit
    leader.raw.propose([Buffer.from('a')])
    expect(leader.takeReady().map(({ type }) => type)).toEqual(['app', 'app'])
    const hint = { term: 0, index: 0 }
    const index = before + 1
    leader.raw.step({ type: 'app-resp', from: 2, to: 1, term: 1, index, reject: false, hint })
    expect(leader.raw.commit).toBe(before)
    leader.finishAppend()
    expect(leader.raw.commit).toBe(index)
  })
})

describe('3.10 leadership transfer', () => {
  test('3.10: leadership goes to a follower that has the whole log, without a timeout', () => {
    const cluster = three({ preVote: true, checkQuorum: true })
    const leader = cluster.elect(1)
    leader.raw.transferLeader(3)
    cluster.settle()
    expect(cluster.leaders()).toEqual([3])
    expect(cluster.get(3).raw.term).toBe(2)
  })

  test('3.10: a follower that is behind gets the log first, and proposals wait', () => {
    const cluster = three()
    const leader = cluster.elect(1)
    cluster.cut(3)
    cluster.propose(1, 'a', 'b')
    cluster.tick(1)
    cluster.heal()
    leader.raw.transferLeader(3)
    expect(leader.raw.propose([Buffer.from('late')])).toBe('dropped')
    cluster.tick(3)
    expect(cluster.leaders()).toEqual([3])
    expect(cluster.get(3).applied()).toEqual(['a', 'b'])
  })

  test('3.10: a transfer that does not happen is given up after an election timeout', () => {
    const cluster = three()
    const leader = cluster.elect(1)
    cluster.cut(3)
    leader.raw.transferLeader(3)
    expect(leader.raw.status().leadTransferee).toBe(3)
    cluster.tick(10, 1, 2)
    expect(leader.raw.status().leadTransferee).toBe(0)
    expect(cluster.propose(1, 'a')).toBe('ok')
  })

  test('3.10: leadership is never transferred to a learner', () => {
    const cluster = new Cluster({ voters: [1, 2], learners: [3] })
    const leader = cluster.elect(1)
    leader.raw.transferLeader(3)
    cluster.settle()
    expect(cluster.leaders()).toEqual([1])
    expect(leader.raw.status().leadTransferee).toBe(0)
  })
})

describe('4 membership changes', () => {
  test('4.1: only one change is in the log at a time; another one commits as an empty entry', () => {
    const cluster = three()
    const leader = cluster.elect(1)
    leader.raw.proposeConfChange(change({ type: 'add-learner', id: 4 }))
    leader.raw.proposeConfChange(change({ type: 'add-learner', id: 5 }))
    cluster.settle()
    expect(leader.confState.learners).toEqual([4])
    expect(leader.appliedEntries.slice(-2).map(({ type }) => type)).toEqual([
      'conf-change-v2',
      'normal',
    ])
  })

  test('4.1: a new leader takes no change before it has applied what earlier leaders left', () => {
    const cluster = three()
    cluster.get(1).rewrite([1], { term: 1 })
    const leader = cluster.get(1)
    leader.raw.campaign()
    leader.say()
    leader.raw.step({ type: 'vote-resp', from: 2, to: 1, term: 2, reject: false })
    leader.raw.proposeConfChange(change({ type: 'remove', id: 3 }))
    leader.say()
    expect(leader.entries().map(({ type }) => type)).toEqual(['normal', 'normal', 'normal'])
  })

  test('4.1: a voter that is added counts as soon as the change is applied', () => {
    const cluster = new Cluster({ voters: [1] })
    const leader = cluster.elect(1)
    cluster.join(2)
    leader.raw.proposeConfChange(change({ type: 'add-voter', id: 2 }))
    cluster.settle()
    expect(cluster.get(2).confState.voters).toEqual([1, 2])
    cluster.cut(2)
    const { commit } = leader.raw
    cluster.propose(1, 'a')
    expect(leader.raw.commit).toBe(commit)
  })

  test('4.2.1: learners receive the log but never count towards a commit', () => {
    const cluster = new Cluster({ voters: [1, 2, 3], learners: [4, 5, 6, 7] })
    const leader = cluster.elect(1)
    cluster.lose(({ to }) => to === 2 || to === 3)
    const { commit } = leader.raw
    cluster.propose(1, 'a')
    expect(cluster.get(7).raw.lastIndex).toBe(leader.raw.lastIndex)
    expect(leader.raw.commit).toBe(commit)
  })

  test('4.2.1: a learner never campaigns, and its vote elects nobody', () => {
    const cluster = new Cluster({ voters: [1, 2, 3], learners: [4, 5] })
    const learner = cluster.get(4)
    learner.raw.campaign()
    for (let i = 0; i < 100; i++) learner.raw.tick()
    expect(learner.raw.role).toBe('follower')
    const candidate = cluster.get(1)
    candidate.raw.campaign()
    candidate.say()
    for (const from of [4, 5]) {
      candidate.raw.step({ type: 'vote-resp', from, to: 1, term: 1, reject: false })
    }
    expect(candidate.raw.role).toBe('candidate')
  })

  test('4.2.1: a learner votes when asked, since it may have become a voter unknowingly', () => {
    const learner = new Cluster({ voters: [1, 2], learners: [3] }).get(3)
    learner.raw.step(voteRequest(2, 3, 1, { term: 1, index: 1 }))
    expect(saidOf(learner, 'vote-resp')[0]?.reject).toBe(false)
  })

  test('4.2.2: a leader that is removed commits that without counting itself, then steps down', () => {
    const cluster = three({ stepDownOnRemoval: true })
    const leader = cluster.elect(1)
    leader.raw.proposeConfChange(change({ type: 'remove', id: 1 }))
    cluster.settle()
    expect(leader.raw.role).toBe('follower')
    expect(cluster.get(2).confState.voters).toEqual([2, 3])
    leader.raw.campaign()
    expect(leader.raw.role).toBe('follower')
    cluster.elect(2)
    expect(cluster.propose(2, 'a')).toBe('ok')
    expect(cluster.get(3).applied()).toEqual(['a'])
  })

  test('4.2.2: a removed leader that stays on does not count itself', () => {
    const cluster = three()
    const leader = cluster.elect(1)
    leader.raw.proposeConfChange(change({ type: 'remove', id: 1 }))
    cluster.settle()
    expect(leader.raw.role).toBe('leader')
    expect(leader.raw.propose([Buffer.from('a')])).toBe('dropped')
  })

  test('4.2.3: a node cut off from the leader cannot disturb those who hear it', () => {
    const cluster = three({ checkQuorum: true })
    cluster.elect(1)
    cluster.tick(1)
    cluster.get(2).raw.step(voteRequest(3, 2, 9, { term: 9, index: 99 }))
    cluster.get(1).raw.step(voteRequest(3, 1, 9, { term: 9, index: 99 }))
    cluster.settle()
    expect(cluster.leaders()).toEqual([1])
    expect([cluster.get(1).raw.term, cluster.get(2).raw.term]).toEqual([1, 1])
  })

  const joint: ConfChange = {
    transition: 'joint-explicit',
    changes: [
      { type: 'remove', id: 2 },
      { type: 'remove', id: 3 },
      { type: 'add-voter', id: 4 },
      { type: 'add-voter', id: 5 },
    ],
    context: NO_CONTEXT,
  }

  function inJoint(): { cluster: Cluster; leader: Replica } {
    const cluster = three()
    const leader = cluster.elect(1)
    cluster.join(4)
    cluster.join(5)
    leader.raw.proposeConfChange(joint)
    cluster.settle()
    cluster.tick(2)
    return { cluster, leader }
  }

  for (const [half, lost] of [
    ['old', [2, 3]],
    ['new', [4, 5]],
  ] as const) {
    test(`4.3: a joint membership commits nothing without the ${half} majority`, () => {
      const { cluster, leader } = inJoint()
      expect(leader.raw.status().hasJointMembership).toBe(true)
      cluster.cut(...lost)
      const { commit } = leader.raw
      cluster.propose(1, 'a')
      expect(leader.raw.commit).toBe(commit)
      cluster.heal()
      cluster.tick(3)
      expect(leader.applied()).toEqual(['a'])
    })

    test(`4.3: a joint membership elects nobody without the ${half} majority`, () => {
      const { cluster } = inJoint()
      cluster.cut(...lost)
      const candidate = cluster.elect(half === 'old' ? 4 : 2)
      expect(candidate.raw.role).not.toBe('leader')
    })
  }

  test('4.3: a joint membership is left by itself once it is committed', () => {
    const cluster = three()
    const leader = cluster.elect(1)
    cluster.join(4)
    cluster.join(5)
    leader.raw.proposeConfChange({ ...joint, transition: 'auto' })
    cluster.settle()
    cluster.tick(3)
    for (const id of [1, 4, 5]) {
      const { confState } = cluster.get(id)
      expect([confState.voters, confState.votersOutgoing]).toEqual([[1, 4, 5], []])
    }
  })

  test('4.3: nobody campaigns while a committed change is not applied', () => {
    const replica = three({ asyncStorageWrites: true }).get(1)
    const data = NO_CONTEXT
    const entries = [makeEntry({ term: 1, index: 2 }, 'conf-change-v2', data)]
    replica.raw.step(append(2, 1, { term: 1, prev: { term: 1, index: 1 }, entries, commit: 2 }))
    replica.takeReady()
    replica.finishAppend()
    replica.raw.campaign()
    expect(replica.raw.role).toBe('follower')
  })
})

describe('5 log compaction', () => {
  function behind(): { cluster: Cluster; leader: Replica; slow: Replica } {
    const cluster = three()
    const leader = cluster.elect(1)
    cluster.cut(3)
    cluster.propose(1, 'a', 'b', 'c')
    leader.compact()
    return { cluster, leader, slow: cluster.get(3) }
  }

  test('5: a follower that needs compacted entries gets a snapshot, then the log', () => {
    const { cluster, leader, slow } = behind()
    const snapshotIndex = leader.appliedIndex
    cluster.heal()
    cluster.tick(2)
    cluster.propose(1, 'd')
    expect(slow.log.firstIndex()).toBe(snapshotIndex + 1)
    expect(slow.applied()).toEqual(['d'])
    expect(slow.raw.commit).toBe(leader.raw.commit)
  })

  test('5: a snapshot replaces a log that conflicts with it', () => {
    const replica = three().get(3)
    replica.rewrite([2, 2, 2], { term: 2 })
    const { confState } = replica
    const snapshot = { term: 3, index: 3, confState }
    replica.raw.step({ type: 'snap', from: 1, to: 3, term: 3, snapshot })
    const answers = saidOf(replica, 'app-resp')
    expect(answers.at(-1)).toMatchObject({ index: 3, reject: false })
    expect([replica.terms(), replica.raw.lastIndex, replica.raw.commit]).toEqual([[], 3, 3])
  })

  test('5: a snapshot of entries that are here keeps the entries after it', () => {
    const replica = three().get(3)
    replica.rewrite([2, 2, 2], { term: 2 })
    const { confState } = replica
    const snapshot = { term: 2, index: 3, confState }
    replica.raw.step({ type: 'snap', from: 1, to: 3, term: 3, snapshot })
    replica.say()
    expect([replica.terms(), replica.raw.commit]).toEqual([[2, 2, 2], 3])
  })

  test('5: an old snapshot, or an old append, cannot reach below what is committed', () => {
    const replica = three().get(3)
    replica.rewrite([2, 2, 2], { term: 2, commit: 4 })
    replica.say()
    replica.compact()
    const { confState } = replica
    const snapshot = { term: 2, index: 3, confState }
    replica.raw.step({ type: 'snap', from: 1, to: 3, term: 3, snapshot })
    const entries = entriesOf(3, 2)
    replica.raw.step(append(1, 3, { term: 3, prev: { term: 2, index: 2 }, entries }))
    const answers = saidOf(replica, 'app-resp')
    expect(answers.map(({ index, reject }) => [index, reject])).toEqual([
      [4, false],
      [4, false],
    ])
    expect([replica.raw.lastIndex, replica.raw.commit]).toEqual([4, 4])
  })

  test('5: while a snapshot is under way nothing else is sent; a failure starts over', () => {
    const { cluster, leader } = behind()
    cluster.lose(({ type }) => type === 'snap')
    cluster.tick(5)
    expect(leader.raw.status().progress?.get(3)?.state).toBe('snapshot')
    leader.raw.reportSnapshot(3, 'failure')
    expect(leader.raw.status().progress?.get(3)).toMatchObject({
      state: 'probe',
      match: 2,
      next: 3,
    })
    cluster.heal()
    cluster.tick(2)
    expect(cluster.get(3).appliedIndex).toBe(leader.appliedIndex)
  })
})

describe('6 clients', () => {
  test('6.2: a leader that hears no quorum for an election timeout steps down', () => {
    const cluster = three({ checkQuorum: true })
    const leader = cluster.elect(1)
    cluster.tick(30)
    expect(leader.raw.role).toBe('leader')
    cluster.cut(1)
    cluster.tick(20, 1)
    expect([leader.raw.role, leader.raw.term]).toEqual(['follower', 1])
  })

  test('6.4: a new leader commits an empty entry of its own term at once', () => {
    const cluster = three()
    const leader = cluster.elect(1)
    const [entry] = leader.appliedEntries
    expect([entry?.term, entry?.data.length, leader.raw.commit]).toEqual([1, 0, 2])
  })

  test('6.4: a read is answered only after a heartbeat quorum', () => {
    const cluster = three()
    const leader = cluster.elect(1)
    cluster.propose(1, 'a')
    cluster.cut(1)
    leader.raw.readIndex('r')
    cluster.settle()
    expect(leader.readStates).toEqual([])
    cluster.heal()
    cluster.tick(1)
    expect(leader.readStates).toEqual([{ index: leader.raw.commit, context: 'r' }])
  })

  test('6.4: a deposed leader never answers a read', () => {
    const cluster = three()
    const old = cluster.elect(1)
    cluster.cut(1)
    cluster.elect(2)
    cluster.propose(2, 'new')
    old.raw.readIndex('stale')
    cluster.settle()
    cluster.heal()
    cluster.tick(5)
    expect(old.raw.role).toBe('follower')
    expect(old.readStates).toEqual([])
  })

  test('6.4: heartbeats acknowledged before a read arrived do not confirm it', () => {
    const cluster = three()
    const leader = cluster.elect(1)
    cluster.cut(1)
    leader.raw.readIndex('first')
    const [beat] = saidOf(leader, 'heartbeat')
    leader.raw.readIndex('second')
    leader.say()
    const context = beat?.context ?? ''
    leader.raw.step({ type: 'heartbeat-resp', from: 2, to: 1, term: 1, context })
    leader.say()
    expect(leader.readStates.map((state) => state.context)).toEqual(['first'])
  })

  test('6.4: a read waits until the leader has committed an entry of its term', () => {
    const cluster = three()
    for (const replica of cluster.replicas.values()) replica.rewrite([], { term: 1 })
    cluster.lose(({ type }) => type === 'app')
    const leader = cluster.elect(1)
    leader.raw.readIndex('r')
    cluster.tick(3)
    expect(leader.readStates).toEqual([])
    cluster.heal()
    cluster.tick(3)
    expect(leader.readStates).toEqual([{ index: 2, context: 'r' }])
  })

  test('6.4: a lone voter, too, answers a read only after it committed an entry of its term', () => {
    const cluster = new Cluster({ voters: [1], options: { asyncStorageWrites: true } })
    const leader = cluster.get(1)
    leader.rewrite([2], { term: 2 })
    leader.raw.campaign()
    leader.takeReady()
    leader.finishAppend()
    expect([leader.raw.role, leader.raw.commit]).toEqual(['leader', 1])
    leader.raw.readIndex('r')
    leader.takeReady()
    expect(leader.readStates).toEqual([])
    cluster.settle()
    expect(leader.readStates).toEqual([{ index: 3, context: 'r' }])
  })

  test('6.4: a follower reads through the leader', () => {
    const cluster = three()
    const leader = cluster.elect(1)
    cluster.propose(1, 'a')
    cluster.get(3).raw.readIndex('r')
    cluster.settle()
    expect(cluster.get(3).readStates).toEqual([{ index: leader.raw.commit, context: 'r' }])
  })

  test('6.4.1: with leases a leader answers at once, and followers refuse to forget it', () => {
    const cluster = three({ readOnly: 'lease', checkQuorum: true })
    const leader = cluster.elect(1)
    cluster.cut(1)
    leader.raw.readIndex('r')
    cluster.settle()
    expect(leader.readStates).toEqual([{ index: leader.raw.commit, context: 'r' }])
    cluster.get(2).raw.forgetLeader()
    expect(cluster.get(2).raw.leader).toBe(1)
  })
})

describe('9.6 pre-vote', () => {
  test('9.6: a node that was cut off comes back without raising the term', () => {
    const cluster = three({ preVote: true })
    const leader = cluster.elect(1)
    cluster.cut(3)
    cluster.tick(100)
    expect(cluster.get(3).raw.term).toBe(1)
    cluster.heal()
    cluster.tick(5)
    expect([leader.raw.role, leader.raw.term, cluster.get(3).raw.leader]).toEqual(['leader', 1, 1])
  })

  test('9.6: a pre-vote changes neither the term nor the vote of whoever grants it', () => {
    const replica = three({ preVote: true }).get(1)
    const last = { term: 1, index: 1 }
    replica.raw.step({ type: 'pre-vote', from: 2, to: 1, term: 6, last, isTransfer: false })
    const [answer] = saidOf(replica, 'pre-vote-resp')
    expect(answer).toMatchObject({ term: 6, reject: false })
    expect([replica.raw.term, replica.raw.status().vote]).toEqual([0, 0])
  })

  test('9.6: a pre-candidate asks for the term it would enter, and enters it only with a majority', () => {
    const replica = three({ preVote: true }).get(1)
    replica.raw.campaign()
    expect(saidOf(replica, 'pre-vote').map(({ term }) => term)).toEqual([1, 1])
    expect([replica.raw.role, replica.raw.term]).toEqual(['pre-candidate', 0])
    replica.raw.step({ type: 'pre-vote-resp', from: 2, to: 1, term: 1, reject: false })
    expect([replica.raw.role, replica.raw.term]).toEqual(['candidate', 1])
  })

  test('9.6: a pre-candidate with an older log is refused', () => {
    const replica = three({ preVote: true }).get(1)
    replica.rewrite([2, 2], { term: 2 })
    const last = { term: 1, index: 9 }
    replica.raw.step({ type: 'pre-vote', from: 2, to: 1, term: 6, last, isTransfer: false })
    expect(saidOf(replica, 'pre-vote-resp')[0]).toMatchObject({ term: 2, reject: true })
  })
})
