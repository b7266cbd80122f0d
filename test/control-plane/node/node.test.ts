// Goal: the driver keeps the promises of consensus on real disks and links. Method: nodes in one process.
import { afterEach, expect, test } from 'vitest'
import { assertNothingLost } from '../../../control-plane/node/lost-entries.ts'
import type { AppliedChange, WriteRequest } from '../../../control-plane/ports.ts'
import type { Definition, DefinitionInput } from '../../../shared/definitions/kinds.ts'
import { isRaftwayError } from '../../../shared/errors.ts'
import { eventually, foundCluster, leaderOf, putApi, TestNode } from './cluster.ts'

let close: (() => Promise<void>) | null = null

afterEach(async () => {
  await close?.()
  close = null
})

async function open(count: number): Promise<TestNode[]> {
  const cluster = await foundCluster(count)
  close = () => cluster.close()
  return cluster.nodes
}

test('a cluster of one leads itself and applies what it is given', async () => {
  const nodes = await open(1)
  const leader = await leaderOf(nodes)
  const answer = await leader.node.write(putApi('a'))
  expect(answer).toEqual({
    revision: 1,
    results: [{ op: 'put', kind: 'Api', name: 'a', revision: 1, created: true }],
    unchanged: false,
  })
  expect(leader.node.state.get('Api', 'a')).toMatchObject({ revision: 1, createdRevision: 1 })
})

test('three nodes agree: a write is applied on all, in the same order, with the same hash', async () => {
  const nodes = await open(3)
  const seen = nodes.map(() => [] as AppliedChange[])
  nodes.forEach(({ node }, at) => node.onApplied((change) => seen[at]?.push(change)))
  const leader = await leaderOf(nodes)
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, at) => leader.node.write(putApi(`w-${at}`))),
  )
  expect(answers.map(({ revision }) => revision).toSorted((a, b) => a - b)).toEqual(
    Array.from({ length: 50 }, (_, at) => at + 1),
  )
  await Promise.all(nodes.map(({ node }) => node.waitForRevision(50, 5_000)))
  expect(seen[1]).toEqual(seen[0])
  expect(seen[2]).toEqual(seen[0])
  expect(new Set(nodes.map(({ node }) => node.state.hash)).size).toBe(1)
})

test('writes that gather in one turn share syncs: 200 writes take far fewer than 200', async () => {
  const nodes = await open(1)
  const leader = await leaderOf(nodes)
  await leader.node.write(putApi('first'))
  let syncs = 0
  const persist = leader.store.persist.bind(leader.store)
  leader.store.persist = (batch) => {
    syncs++
    return persist(batch)
  }
  await Promise.all(Array.from({ length: 200 }, (_, at) => leader.node.write(putApi(`w-${at}`))))
  expect(syncs).toBeLessThan(20)
})

test('a linearizable read on a follower sees what was acknowledged before it began', async () => {
  const nodes = await open(3)
  const leader = await leaderOf(nodes)
  const follower = nodes.find((node) => node !== leader)
  for (let i = 0; i < 20; i++) {
    const { revision } = await leader.node.write(putApi(`r-${i}`))
    await follower?.node.readBarrier(5_000)
    expect(follower?.node.state.revision).toBeGreaterThanOrEqual(revision)
  }
})

test('a follower refuses writes by name of the leader; without a leader it is NO_LEADER', async () => {
  const nodes = await open(3)
  const leader = await leaderOf(nodes)
  const follower = await eventually('a follower that knows', () =>
    nodes.find(({ node }) => !node.isLeader && node.leader() !== null),
  )
  await expect(follower.node.write(putApi('a'))).rejects.toMatchObject({ code: 'NOT_LEADER' })
  expect(follower.node.leader()?.name).toBe(leader.name)
})

test('the same idempotency key happens once, also while the first is in flight', async () => {
  const nodes = await open(1)
  const leader = await leaderOf(nodes)
  const twice = await Promise.all([
    leader.node.write(putApi('a', { key: 'k' })),
    leader.node.write(putApi('a', { key: 'k' })),
  ])
  expect(twice.map(({ revision }) => revision)).toEqual([1, 1])
  expect((await leader.node.write(putApi('a', { key: 'k' }))).revision).toBe(1)
  await expect(leader.node.write(putApi('b', { key: 'k' }))).rejects.toMatchObject({
    code: 'IDEMPOTENCY_KEY_REUSED',
  })
  expect(leader.node.state.revision).toBe(1)
})

test('an invalid write changes nothing and takes no place in the log', async () => {
  const nodes = await open(1)
  const leader = await leaderOf(nodes)
  await leader.node.write(putApi('a'))
  const before = leader.node.status().commitIndex
  const missing = putApi('b', {
    action: {
      type: 'operations',
      operations: [
        {
          op: 'put',
          definition: {
            kind: 'Api',
            name: 'b',
            spec: { routes: [{ path: '/b' }], upstream: 'nowhere' },
          },
          ifRevision: null,
        },
      ],
    },
  })
  await expect(leader.node.write(missing)).rejects.toMatchObject({ code: 'INVALID_DEFINITION' })
  expect(leader.node.status().commitIndex).toBe(before)
  expect(leader.node.state.revision).toBe(1)
})

test('leadership moves on request, and writes go on with the next leader', async () => {
  const nodes = await open(3)
  const leader = await leaderOf(nodes)
  await leader.node.write(putApi('a'))
  const next = await leader.node.transferLeadership(null)
  expect(next).not.toBe(leader.name)
  const successor = await eventually('the successor leads', () =>
    nodes.find(({ name, node }) => name === next && node.isLeader),
  )
  expect((await successor.node.write(putApi('b'))).revision).toBe(2)
})

test('a leader that stops hands over first, and the others go on at once', async () => {
  const cluster = await foundCluster(3)
  const leader = await leaderOf(cluster.nodes)
  await leader.node.write(putApi('a'))
  await leader.stop()
  const rest = cluster.nodes.filter((node) => node !== leader)
  const successor = rest.find(({ node }) => node.isLeader)
  expect(successor).toBeDefined()
  expect((await successor?.node.write(putApi('b')))?.revision).toBe(2)
  close = async () => {
    await Promise.all(rest.map((node) => node.stop(0)))
  }
})

/** The leader of three, whose messages reach nobody any more while it does not know that yet. */
async function openCutOffLeader(): Promise<TestNode> {
  const nodes = await open(3)
  const leader = await leaderOf(nodes)
  await leader.node.write(putApi('known'))
  for (const one of nodes) if (one !== leader) await one.transport.close()
  expect(leader.node.isLeader).toBe(true)
  return leader
}

function withoutRevision(definition: Definition): DefinitionInput {
  const { revision: _revision, createdRevision: _created, ...input } = definition
  return input
}

function putGuarded(name: string, ifRevision: number): WriteRequest {
  const write = putApi(name)
  const [operation] = write.action.type === 'operations' ? write.action.operations : []
  if (operation?.op !== 'put') throw new Error('putApi puts')
  return { ...write, action: { type: 'operations', operations: [{ ...operation, ifRevision }] } }
}

test('a guard is not refused for a write that has not been committed', async () => {
  const leader = await openCutOffLeader()
  const [inFlight, refused] = await Promise.allSettled([
    leader.node.write(putApi('a')),
    leader.node.write(putGuarded('a', 0)),
  ])
  expect(inFlight).toMatchObject({ status: 'rejected', reason: { code: 'WRITE_UNCERTAIN' } })
  expect(refused).toMatchObject({ status: 'rejected', reason: { code: 'NO_LEADER' } })
})

test('a leader that others may have left behind refuses nothing by what it holds', async () => {
  const leader = await openCutOffLeader()
  const gone: WriteRequest = {
    ...putApi('a'),
    action: {
      type: 'operations',
      operations: [{ op: 'delete', kind: 'Api', name: 'a', ifRevision: null }],
    },
  }
  const unchanged: WriteRequest = {
    ...putApi('a'),
    action: { type: 'replace', definitions: leader.node.state.list().map(withoutRevision) },
  }
  const answers = await Promise.allSettled(
    [putGuarded('known', 7), gone, unchanged].map((write) => leader.node.write(write)),
  )
  expect(answers.map((answer) => answer.status === 'rejected' && answer.reason.code)).toEqual(
    Array.from({ length: 3 }, () => 'NO_LEADER'),
  )
})

test('a write in flight when its leader stops may have happened, and is said to', async () => {
  const leader = await openCutOffLeader()
  const inFlight = leader.node.write(putApi('a'))
  await Promise.all([
    leader.node.stop(0),
    expect(inFlight).rejects.toMatchObject({ code: 'WRITE_UNCERTAIN' }),
  ])
})

test('a node that lost what it had acknowledged stops, and says so', async () => {
  const nodes = await open(3)
  const leader = await leaderOf(nodes)
  const { revision } = await leader.node.write(putApi('a'))
  const follower = nodes.find((node) => node !== leader)
  if (follower === undefined) throw new Error('no follower')
  await follower.node.waitForRevision(revision, 5_000)
  const { term, commitIndex } = leader.node.status()
  const heartbeat = { from: leader.node.self.id, to: follower.node.self.id, term, context: '' }
  // An older leader knows nothing of what this node has now.
  follower.node.onMessage({ ...heartbeat, type: 'heartbeat', term: term - 1, commit: 1_000 })
  follower.node.onMessage({ ...heartbeat, type: 'heartbeat', commit: commitIndex })
  expect(follower.fatal).toBe(null)
  follower.node.onMessage({ ...heartbeat, type: 'heartbeat', commit: commitIndex + 1_000 })
  await eventually('its end', () => follower.fatal !== null)
  expect(follower.fatal).toMatchObject({ code: 'STORAGE_CORRUPT' })
  // It knows at its next start.
  await expect(assertNothingLost(follower.store.notes)).rejects.toMatchObject({
    code: 'STORAGE_CORRUPT',
  })
  await expect(assertNothingLost(leader.store.notes)).resolves.toBe(undefined)
})

test('leadership can be handed over at any moment, also just after the leader has counted whom it hears', async () => {
  const nodes = await open(3)
  const leaders: string[] = []
  for (let i = 0; i < 30; i++) {
    const leader = await leaderOf(nodes)
    leaders.push(await leader.node.transferLeadership(null))
    await eventually('the next one leads', () =>
      nodes.find(({ name, node }) => name === leaders.at(-1) && node.isLeader),
    )
  }
  expect(leaders).toHaveLength(30)
})

test('writes in flight while leadership is handed over are answered by what became of them', async () => {
  const nodes = await open(3)
  const leader = await leaderOf(nodes)
  await leader.node.write(putApi('first'))
  const outcomes: string[] = []
  const writes: Promise<void>[] = []
  const over = new AbortController()
  const write = (name: string) => {
    writes.push(
      leader.node.write(putApi(name)).then(
        ({ revision }) => void outcomes.push(String(revision)),
        (error: unknown) => void outcomes.push(isRaftwayError(error) ? error.code : String(error)),
      ),
    )
  }
  for (let i = 0; i < 50; i++) write(`early-${i}`)
  await new Promise((resolve) => setImmediate(resolve))
  const handing = leader.node.handOver(2_000).finally(() => over.abort())
  for (let i = 0; !over.signal.aborted; i++) {
    write(`late-${i}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
  await handing
  await Promise.all(writes)
  const acknowledged = outcomes.filter((outcome) => /^\d+$/.test(outcome))
  expect(acknowledged.length).toBeGreaterThanOrEqual(50)
  // Refused are only those that came when the log was closed: they are for the next leader.
  const refusals = new Set(outcomes.filter((outcome) => !/^\d+$/.test(outcome)))
  for (const code of refusals) expect(['NOT_LEADER', 'NO_LEADER']).toContain(code)
  const next = await leaderOf(nodes)
  await next.node.readBarrier(5_000)
  expect(next.node.state.count).toBe(1 + acknowledged.length)
})

test('a restart takes up from the disk: state, revision, members and idempotency keys', async () => {
  const cluster = await foundCluster(1)
  const [one] = cluster.nodes
  if (one === undefined) throw new Error('no node')
  await leaderOf([one])
  await one.node.write(putApi('a', { key: 'k' }))
  await one.node.write(putApi('b'))
  const { hash } = one.node.state
  await one.stop()
  const prepared = await TestNode.prepare(cluster.dir, 'n1')
  const again = TestNode.begin(prepared, [])
  close = () => again.stop(0)
  await leaderOf([again])
  expect(again.node.state).toMatchObject({ revision: 2, hash, count: 2 })
  expect(again.node.status().members.map(({ name }) => name)).toEqual(['n1'])
  expect((await again.node.write(putApi('a', { key: 'k' }))).revision).toBe(1)
  expect((await again.node.write(putApi('c'))).revision).toBe(3)
})

test('membership: a node is taken in as a learner, gets the state by snapshot, and is promoted when caught up', async () => {
  const cluster = await foundCluster(1)
  const [one] = cluster.nodes
  if (one === undefined) throw new Error('no node')
  await leaderOf([one])
  for (let i = 0; i < 30; i++) await one.node.write(putApi(`a-${i}`))
  const fresh = await TestNode.prepare(cluster.dir, 'n2')
  const { body } = await fresh.transport.call(
    one.transport.address,
    { type: 'join', body: fresh.self },
    5_000,
  )
  expect(body).toMatchObject({ identity: { nodeId: fresh.self.id } })
  await fresh.store.saveIdentity({ clusterId: one.node.identity.clusterId, nodeId: fresh.self.id })
  const two = TestNode.begin(fresh, [one.node.self])
  close = async () => {
    await Promise.all([one.stop(0), two.stop(0)])
  }
  await two.node.waitForRevision(30, 5_000)
  expect(two.node.state.hash).toBe(one.node.state.hash)
  await eventually('two voters', () =>
    one.node.status().members.every(({ role }) => role === 'voter'),
  )
  expect(one.node.status().members.map(({ name }) => name)).toEqual(['n1', 'n2'])

  // Both must now hold a write; the history came with the snapshot.
  await one.node.write(putApi('both'))
  await two.node.waitForRevision(31, 5_000)
  const history = await two.node.state.history({ after: 0, upTo: 31, limit: 100 })
  expect(history.map(({ revision }) => revision)).toEqual(
    Array.from({ length: 31 }, (_, at) => at + 1),
  )

  // And it can be taken out again; then it ends by itself and says why.
  const leader = await leaderOf([one, two])
  const other = leader === one ? two : one
  await leader.node.removeMember(other.name)
  await eventually('the removed node ends', () => other.fatal)
  expect(String(other.fatal)).toContain('was removed from cluster')
  expect((await leader.node.write(putApi('alone'))).revision).toBe(32)
})

test('the past can be read while the present is being written: what was applied is in it', async () => {
  const nodes = await open(1)
  const leader = await leaderOf(nodes)
  const { state } = leader.node
  const writes = Array.from({ length: 20 }, async (_, at) => {
    for (let n = 0; n < 20; n++) {
      const { revision } = await leader.node.write(putApi(`w-${at}-${n}`))
      expect((await state.historyOf({ limit: 1 }))[0]?.revision).toBeGreaterThanOrEqual(revision)
      expect(await state.configAt(revision)).toHaveLength(revision)
    }
  })
  await Promise.all(writes)
})
