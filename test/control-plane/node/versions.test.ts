// Goal: nodes of two releases in one cluster, on the way up and on the way down, and nothing that one of them could not
// read gets into the log. Method: real nodes; the later release is this one under another announcement, with writes
// that it counts as new.
import { rm } from 'node:fs/promises'
import { afterEach, expect, test } from 'vitest'
import type { Command, WriteRequest } from '../../../control-plane/ports.ts'
import { makeEntry } from '../../../control-plane/raft/entry.ts'
import { OWN_RELEASE, type Release } from '../../../shared/features.ts'
import { eventually, foundCluster, leaderOf, putApi, TestNode } from './cluster.ts'
import { HeldDisk } from './held-disk.ts'

const NOW: Release = OWN_RELEASE
const LATER: Release = { version: '99.0.0', featureLevel: NOW.featureLevel + 1 }

/** What is new in the later release: a write with this message. */
const NEW = 'new in 99'
const levelOfCommand = (command: Command): number =>
  command.type === 'write' && command.message === NEW ? LATER.featureLevel : 1

let running: TestNode[] = []
let dir = ''

afterEach(async () => {
  await Promise.all(running.map((one) => one.stop(0)))
  if (dir !== '') await rm(dir, { recursive: true, force: true })
  running = []
  dir = ''
})

async function found(count: number, release: Release): Promise<void> {
  const cluster = await foundCluster(count)
  dir = cluster.dir
  running = cluster.nodes
  // From now on everything depends on what is announced.
  for (const one of cluster.nodes) await restart(one, release)
}

/** The disks of the nodes that were started last, by name. */
const disks = new Map<string, HeldDisk>()

async function start(folder: string, release: Release, port = 0): Promise<TestNode> {
  const prepared = await TestNode.prepare(dir, folder, port, folder, {
    release,
    wrap(disk) {
      const held = new HeldDisk(disk)
      disks.set(folder, held)
      return held
    },
  })
  const one = TestNode.begin(prepared, [], [], { levelOfCommand })
  running.push(one)
  return one
}

async function restart(one: TestNode, release: Release): Promise<TestNode> {
  running = running.filter((other) => other !== one)
  await one.stop()
  return start(one.name, release, one.transport.port)
}

/** Writes through whoever leads, also while that changes. */
async function write(request: WriteRequest): Promise<number> {
  const deadline = performance.now() + 15_000
  for (;;) {
    try {
      const leader = await leaderOf(running)
      return (await leader.node.write(request)).revision
    } catch (error) {
      const { code } = error as { readonly code?: string }
      const isPassing = ['NO_LEADER', 'NOT_LEADER', 'TIMEOUT', 'STOPPING'].includes(code ?? '')
      if (!isPassing || performance.now() > deadline) throw error
    }
  }
}

/** What the leader takes everybody to know. */
async function levelBecomes(level: number): Promise<void> {
  await eventually(
    `level ${level}`,
    () => running.find(({ node }) => node.isLeader)?.node.status().featureLevel === level,
    15_000,
  )
}

function whoIsBehind(): Promise<unknown> {
  return write(putApi('fancy', { message: NEW })).then(
    () => null,
    (error: unknown) =>
      (
        error as { readonly extra: { readonly behind: { readonly name: string }[] } }
      ).extra.behind.map(({ name }) => name),
  )
}

test('what is new waits for the last member of a rolling upgrade, and goes on waiting after a downgrade', async () => {
  await found(3, NOW)
  await write(putApi('before'))
  await levelBecomes(NOW.featureLevel)
  for (const name of ['n1', 'n2', 'n3']) {
    const behind = (await whoIsBehind()) as string[]
    expect(behind.toSorted()).toEqual(['n1', 'n2', 'n3'].slice(['n1', 'n2', 'n3'].indexOf(name)))
    await restart(
      running.find((one) => one.name === name)!,
      LATER,
    )
    // Old and new serve side by side, and what both know is written all the time.
    await write(putApi(`while-${name}`))
    await eventually(
      'its version is known',
      () => {
        const leader = running.find(({ node }) => node.isLeader)
        const member = leader?.node.status().members.find((one) => one.name === name)
        return member?.version === LATER.version
      },
      15_000,
    )
  }
  await levelBecomes(LATER.featureLevel)

  // One goes back before anything new was used: nothing new is written until it is upgraded again.
  const back = await restart(
    running.find((one) => one.name === 'n2')!,
    NOW,
  )
  await levelBecomes(NOW.featureLevel)
  expect(await whoIsBehind()).toEqual(['n2'])
  await restart(back, LATER)
  await levelBecomes(LATER.featureLevel)
  const revision = await write(putApi('fancy', { message: NEW }))
  await Promise.all(running.map(({ node }) => node.waitForRevision(revision, 10_000)))
})

test('an older program leaves the data of a newer one alone, and says which one wrote it', async () => {
  await found(1, LATER)
  await write(putApi('fancy', { message: NEW }))
  const { hash } = running[0]!.node.state
  const [one] = running.splice(0)
  await one!.stop()
  await expect(start('n1', NOW)).rejects.toMatchObject({
    code: 'VERSION_TOO_OLD',
    message: expect.stringMatching(
      /uses feature level \d+ and was written by raftway 99\.0\.0, this is raftway .*start a newer one/,
    ),
  })
  const again = await start('n1', LATER)
  await leaderOf([again])
  expect(again.node.state).toMatchObject({ revision: 1, hash })
  expect(await write(putApi('more'))).toBe(2)
})

test('a node that knows less than the log has used is not taken in', async () => {
  await found(1, LATER)
  await write(putApi('fancy', { message: NEW }))
  const older = await TestNode.prepare(dir, 'n2', 0, 'n2', { release: NOW })
  const join = older.transport.call(
    running[0]!.transport.address,
    { type: 'join', body: older.self },
    5_000,
  )
  await expect(join).rejects.toMatchObject({
    code: 'VERSION_TOO_OLD',
    message: expect.stringMatching(/^n2 .*cannot join: this cluster uses feature level/),
  })
  expect(running[0]!.node.status().members.map(({ name }) => name)).toEqual(['n1'])
  await older.transport.close()
  await older.store.close()
})

/** A leader of the later release that writes nothing to its disk, and a node of the present one that would join it. */
async function withOlderNewcomer(
  check: (parts: {
    readonly leader: TestNode
    readonly disk: HeldDisk
    readonly join: () => Promise<unknown>
  }) => Promise<void>,
): Promise<void> {
  await found(1, LATER)
  await write(putApi('before'))
  const leader = running[0]!
  const disk = disks.get(leader.name)!
  const older = await TestNode.prepare(dir, 'n2', 0, 'n2', { release: NOW })
  const from = { ...older.self, clusterId: null }
  disk.hold()
  const join = () => leader.node.onCall(from, { type: 'join', body: older.self })
  try {
    await check({ leader, disk, join })
  } finally {
    disk.release()
    await older.transport.close()
    await older.store.close()
  }
}

test('what a newcomer does not know is not written while its admission is on its way', () =>
  withOlderNewcomer(async ({ leader, disk, join }) => {
    const joined = join()
    await eventually('the admission is being written', () => disk.waiting > 0)
    expect(leader.node.status().members).toHaveLength(1)
    expect(await whoIsBehind()).toEqual(['n2'])
    disk.release()
    expect(await joined).toMatchObject({ members: [{ name: 'n1' }, { name: 'n2' }] })
    expect(await whoIsBehind()).toEqual(['n2'])
  }))

test('nobody is taken in who does not know what is on its way into the log', () =>
  withOlderNewcomer(async ({ leader, disk, join }) => {
    const written = leader.node.write(putApi('fancy', { message: NEW }))
    await eventually('the write is being written', () => disk.waiting > 0)
    await expect(join()).rejects.toMatchObject({ code: 'VERSION_TOO_OLD' })
    disk.release()
    expect(await written).toMatchObject({ revision: 2 })
    expect(leader.node.status().members).toHaveLength(1)
  }))

test('an entry of a later version stops the node, and stays for the program that knows it', async () => {
  await found(1, NOW)
  await write(putApi('before'))
  const [one] = running.splice(0)
  const { name, store } = one!
  const index = store.log.lastIndex() + 1
  const { hardState } = store.log.initialState()
  const later = makeEntry({ term: hardState.term, index }, 'normal', Uint8Array.of(2, 0x7b, 0x7d))
  await one!.node.stop(0)
  await store.persist({ entries: [later], hardState: { ...hardState, commit: index } })
  await one!.transport.close()
  await store.close()

  const stopped = await start(name, NOW)
  await eventually('it ends', () => stopped.fatal)
  expect(stopped.fatal).toMatchObject({
    code: 'VERSION_TOO_OLD',
    message: expect.stringMatching(
      new RegExp(`^log entry ${index}: .*format 2.*upgrade this node.*Nothing of it was lost`),
    ),
  })
  expect(stopped.node.state.revision).toBe(1)
  running = []
  await stopped.stop(0)

  const after = await TestNode.prepare(dir, name)
  expect(after.store.restored).toMatchObject({ revision: 1 })
  const kept = after.store.log.entries(index, index + 1, Infinity)
  if (typeof kept === 'string') throw new Error(kept)
  expect(kept.map((entry) => [...entry.data])).toEqual([[...later.data]])
  await after.transport.close()
  await after.store.close()
})

test('a snapshot of a later version stops the node: it would be sent again and again', async () => {
  await found(1, NOW)
  const [one] = running as [TestNode]
  const { self } = one.node
  const source = await TestNode.prepare(dir, 'source', 0, 'source', { release: LATER })
  const confState = {
    voters: [self.id],
    learners: [],
    votersOutgoing: [],
    learnersNext: [],
    autoLeave: false,
  }
  const identity = { clusterId: one.node.identity.clusterId, nodeId: source.self.id }
  await source.store.bootstrap({ identity, confState, members: [self] })
  await source.store.apply({
    appliedIndex: 500,
    appliedTerm: 9,
    confState,
    records: [{ type: 'feature-level', level: LATER.featureLevel }],
  })
  const snapshot = await source.store.openSnapshot()
  const message = { from: source.self.id, to: self.id, term: 9, snapshot: snapshot.meta }
  const taken = one.node.onSnapshot({ type: 'snap', ...message }, snapshot.chunks())
  await expect(taken).rejects.toMatchObject({ code: 'VERSION_TOO_OLD' })
  expect(one.fatal).toMatchObject({ code: 'VERSION_TOO_OLD' })
  await snapshot.close()
  await source.transport.close()
  await source.store.close()
})
