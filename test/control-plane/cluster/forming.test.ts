// Goal: whatever the order, the delays, the losses and the crashes, one join list gives one cluster.
// Method: real responders and searches in a simulated world; a scenario is drawn from a seed, which is printed when it
// fails. Safety is checked at the end of each, over all that was ever decided, and liveness within a minute of fair weather.
import { describe, expect, test } from 'vitest'
import { RaftwayError } from '../../../shared/errors.ts'
import { SILENT } from '../../../shared/logger.ts'
import { Random } from '../../../shared/random.ts'
import { formOrJoin, FormingResponder } from '../../../control-plane/cluster/forming.ts'
import { JumpingClock, World, type SimulatedNode } from './simulated-nodes.ts'

const SCENARIOS = 150
const STORM_MS = 15_000
const FAIR_MS = 90_000

function isFormed(nodes: readonly SimulatedNode[]): boolean {
  return nodes.every((node) => node.formation !== null)
}

function clusterIds(nodes: readonly SimulatedNode[]): (string | undefined)[] {
  return [...new Set(nodes.map((node) => node.formation?.identity.clusterId))]
}

type Plan = {
  readonly join: readonly string[]
  readonly names: readonly string[]
  readonly expect: number
}

/** A list of M nodes that some leave themselves out of, N > M / 2 founders, and up to two nodes that are not listed. */
function drawPlan(random: Random): Plan {
  const listed = 1 + random.below(5)
  const names = Array.from({ length: listed }, (_, at) => `n${at + 1}`)
  const most = listed + (listed < 3 ? 2 : 0)
  const least = Math.floor(listed / 2) + 1
  const expect = Math.max(2, least + random.below(most - least + 1))
  const strangers = Math.max(0, expect - listed) + random.below(3)
  const join = names.map((name) => `${name}:7401`)
  for (let i = 1; i <= strangers; i++) names.push(`x${i}`)
  return { join, names, expect }
}

function brew(world: World, nodes: readonly SimulatedNode[]): void {
  const { random, clock, weather } = world
  weather.lossPercent = random.below(25)
  weather.latePercent = random.below(8)
  weather.delayMsMax = 1 + random.below(random.below(2) === 0 ? 20 : 600)
  for (const node of nodes) {
    const lives = random.below(4)
    clock.after(random.below(3_000), () => node.start())
    for (let i = 0; i < lives; i++) {
      clock.after(random.below(STORM_MS), () => node.crash())
      clock.after(random.below(STORM_MS), () => node.start())
    }
  }
  for (let i = 0; i < 3; i++) {
    clock.after(random.below(STORM_MS), () => {
      const side = new Set(nodes.filter(() => world.chance(50)).map((node) => node.peer))
      weather.isCut = (a, b) => side.has(a) !== side.has(b)
    })
  }
  clock.after(STORM_MS, () => {
    weather.lossPercent = 0
    weather.latePercent = 0
    weather.delayMsMax = 5
    weather.isCut = () => false
    for (const node of nodes) node.start()
  })
}

/** What is wrong with how a scenario ended, in words. */
function problemsOf(nodes: readonly SimulatedNode[], expected: number): string[] {
  const problems: string[] = []
  const formed = nodes.filter(({ formation }) => formation !== null)
  if (formed.length < nodes.length) {
    const notes = nodes.map((node) => `${node.name} ${node.disk.get('forming') ?? 'fresh'}`)
    problems.push(`only ${formed.length} have formed: ${notes.join(', ')}`)
  }
  if (clusterIds(formed).length > 1) problems.push(`clusters ${clusterIds(formed).join()}`)
  const founded = formed.flatMap(({ formation }) =>
    formation?.type === 'founded' ? [formation.founders.map(({ name }) => name).join()] : [],
  )
  if (founded.length !== expected) problems.push(`${founded.length} have founded`)
  if (new Set(founded).size > 1) problems.push(`founders are ${founded.join(' or ')}`)
  return problems
}

test('one join list gives one cluster with exactly the expected founders, whatever happens meanwhile', async () => {
  const problems: string[] = []
  for (let seed = 1; seed <= SCENARIOS; seed++) {
    const world = new World(seed)
    const plan = drawPlan(world.random)
    const omitsItself = world.chance(30) && plan.join.length > 1
    const nodes = plan.names.map((name) => {
      const join = plan.join.filter((peer) => !omitsItself || peer !== `${name}:7401`)
      return world.add(name, join, plan.expect)
    })
    brew(world, nodes)
    await world.clock.run(FAIR_MS, () => isFormed(nodes))
    const context = `seed ${seed}, ${JSON.stringify(plan)}`
    for (const problem of problemsOf(nodes, plan.expect)) problems.push(`${context}: ${problem}`)
  }
  expect(problems).toEqual([])
}, 120_000)

test('in fair weather three nodes form within a second, and a fourth with the same options joins', async () => {
  const world = new World(7)
  const join = ['n1:7401', 'n2:7401', 'n3:7401']
  const three = ['n1', 'n2', 'n3'].map((name) => world.add(name, join, 3))
  for (const node of three) node.start()
  expect(await world.clock.run(1_000, () => isFormed(three))).toBe(true)
  const fourth = world.add('n4', join, 3)
  fourth.start()
  expect(await world.clock.run(3_000, () => isFormed([fourth]))).toBe(true)
  expect(fourth.formation?.type).toBe('joined')
  expect(clusterIds([...three, fourth])).toHaveLength(1)
  const [first] = three
  const ids =
    first?.formation?.type === 'founded' ? first.formation.founders.map(({ id }) => id) : []
  expect(ids).toEqual(three.map(({ id }) => id).toSorted((a, b) => a - b))
})

test('nodes that know only one seed find each other through it', async () => {
  const world = new World(8)
  const nodes = ['n1', 'n2', 'n3'].map((name) => world.add(name, ['n1:7401'], 3))
  for (const node of nodes) node.start()
  expect(await world.clock.run(3_000, () => isFormed(nodes))).toBe(true)
  expect(clusterIds(nodes)).toHaveLength(1)
})

test('join lists that overlap give one cluster, as long as more than half of all boxes are expected', async () => {
  const problems: string[] = []
  for (let seed = 1; seed <= 40; seed++) {
    const world = new World(seed)
    const { random } = world
    const names = Array.from({ length: 3 + random.below(4) }, (_, at) => `n${at + 1}`)
    const expected = Math.floor(names.length / 2) + 1
    const nodes = names.map((name) => {
      // Everybody lists the first, and whoever else comes to mind.
      const others = names.slice(1).filter(() => world.chance(60))
      return world.add(
        name,
        ['n1', ...others].map((other) => `${other}:7401`),
        expected,
      )
    })
    brew(world, nodes)
    await world.clock.run(FAIR_MS, () => false)
    const formed = nodes.filter(({ formation }) => formation !== null)
    if (clusterIds(formed).length > 1) problems.push(`seed ${seed}: ${clusterIds(formed).join()}`)
  }
  expect(problems).toEqual([])
}, 120_000)

test.each([
  ['one list of four', () => ['n1', 'n2', 'n3', 'n4']],
  [
    'lists of the three others',
    (name: string) => ['n1', 'n2', 'n3', 'n4'].filter((n) => n !== name),
  ],
] as const)('two of %s are too few to found: two others could as well', async (_, listOf) => {
  const world = new World(9)
  const nodes = ['n1', 'n2', 'n3', 'n4'].map((name) =>
    world.add(
      name,
      listOf(name).map((other) => `${other}:7401`),
      2,
    ),
  )
  const side = new Set(['n1:7401', 'n2:7401'])
  world.weather.isCut = (a, b) => side.has(a) !== side.has(b)
  for (const node of nodes) node.start()
  await world.clock.run(20_000, () => false)
  expect(nodes.filter(({ formation }) => formation !== null)).toEqual([])
})

test('of boxes that expect one, the one that is listed founds, and the others wait for it', async () => {
  const world = new World(10)
  const [first, ...others] = ['n1', 'n2', 'n3'].map((name) => world.add(name, ['n1:7401'], 1))
  for (const node of others) node.start()
  expect(await world.clock.run(20_000, () => others.some((node) => isFormed([node])))).toBe(false)
  first?.start()
  expect(await world.clock.run(30_000, () => isFormed(others))).toBe(true)
  expect(first?.formation?.type).toBe('founded')
  expect(others.map(({ formation }) => formation?.type)).toEqual(['joined', 'joined'])
})

test('two halves of a cut list never both form', async () => {
  const problems: string[] = []
  for (let seed = 1; seed <= 20; seed++) {
    const world = new World(seed)
    const names = ['n1', 'n2', 'n3', 'n4', 'x1', 'x2']
    const join = names.slice(0, 4).map((name) => `${name}:7401`)
    const nodes = names.map((name) => world.add(name, join, 3))
    const side = new Set(['n1:7401', 'n2:7401', 'x1:7401'])
    world.weather.isCut = (a, b) => side.has(a) !== side.has(b)
    for (const node of nodes) node.start()
    await world.clock.run(20_000, () => false)
    const early = nodes.filter(({ formation }) => formation !== null)
    if (early.length > 0) problems.push(`seed ${seed}: formed while cut`)
    world.weather.isCut = () => false
    await world.clock.run(40_000, () => isFormed(nodes))
    for (const problem of problemsOf(nodes, 3)) problems.push(`seed ${seed}: ${problem}`)
  }
  expect(problems).toEqual([])
})

test('a founder whose disk is lost before the cluster exists holds nobody up', async () => {
  const problems: string[] = []
  let lost = 0
  for (let seed = 1; seed <= 30; seed++) {
    const world = new World(seed)
    const names = ['n1', 'n2', 'n3', 'n4']
    const join = names.map((name) => `${name}:7401`)
    const nodes = names.map((name) => world.add(name, join, 4))
    for (const node of nodes) node.start()
    const isBound = (node: SimulatedNode) => node.disk.get('forming')?.includes('promised') ?? false
    const [proposer, second] = nodes.toSorted((a, b) => a.id - b.id)
    if (proposer === undefined || second === undefined) continue
    // The proposer is gone for good when another node is bound to it, and nothing has been founded.
    const isBoundToIt = await world.clock.run(5_000, () => isBound(second))
    if (!isBoundToIt || nodes.some((node) => node.disk.get('forming')?.includes('founded')))
      continue
    lost++
    proposer.loseDisk()
    proposer.start()
    await world.clock.run(60_000, () => isFormed(nodes))
    for (const problem of problemsOf(nodes, 4)) problems.push(`seed ${seed}: ${problem}`)
  }
  expect(problems).toEqual([])
  expect(lost).toBeGreaterThan(10)
})

describe('a single node', () => {
  test('becomes a cluster of one without a join list, and the same one after a crash', async () => {
    const world = new World(1)
    const node = world.add('n1', [], null)
    node.start()
    expect(await world.clock.run(100, () => isFormed([node]))).toBe(true)
    const { formation } = node
    node.crash()
    node.formation = null
    node.start()
    expect(await world.clock.run(200, () => isFormed([node]))).toBe(true)
    expect(node.formation).toEqual(formation)
    expect(formation).toMatchObject({ type: 'founded', founders: [{ id: node.id }] })
  })

  test('with a join list and no --expect only joins, and waits for that', async () => {
    const world = new World(2)
    const late = world.add('n2', ['n1:7401'], null)
    late.start()
    expect(await world.clock.run(20_000, () => isFormed([late]))).toBe(false)
    const first = world.add('n1', [], null)
    first.start()
    expect(await world.clock.run(30_000, () => isFormed([late]))).toBe(true)
    expect(late.formation?.type).toBe('joined')
    expect(clusterIds([first, late])).toHaveLength(1)
  })

  test('does not choose between two clusters', async () => {
    const world = new World(3)
    const ones = ['n1', 'n2'].map((name) => world.add(name, [], null))
    for (const node of ones) node.start()
    await world.clock.run(100, () => isFormed(ones))
    const late = world.add('n3', ['n1:7401', 'n2:7401'], null)
    late.start()
    expect(await world.clock.run(20_000, () => isFormed([late]))).toBe(false)
    expect(late.disk.size).toBe(0)
  })
})

describe('the responder', () => {
  const self = { id: 5, name: 'n5', api: 'http://n5', peer: 'n5:7401' }
  const other = { id: 9, name: 'n9', api: 'http://n9', peer: 'n9:7401', clusterId: 'c' }

  function fresh() {
    const disk = new Map<string, unknown>()
    const notes = {
      get: (key: string) => Promise.resolve(disk.get(key)),
      put: (key: string, value: unknown) => {
        disk.set(key, value)
        return Promise.resolve()
      },
    }
    return {
      disk,
      notes,
      responder: new FormingResponder({ self: () => self, notes, logger: SILENT }),
    }
  }

  test('takes an invitation once, and a waiting search ends with it', async () => {
    const { responder, disk } = fresh()
    const clock = new JumpingClock()
    const searching = formOrJoin({
      responder,
      join: ['nobody:1'],
      lookup: null,
      expect: null,
      call: () => Promise.reject(new RaftwayError('PEER_UNREACHABLE', 'nobody')),
      clock,
      random: new Random(1),
      logger: SILENT,
      signal: new AbortController().signal,
    })
    await clock.run(1_000, () => false)
    const identity = { clusterId: 'c', nodeId: 5 }
    const invite = { type: 'invite', body: { identity, members: [self] } }
    expect(await responder.onCall(other, invite)).toBeNull()
    await clock.run(3_000, () => false)
    expect(await searching).toEqual({ type: 'joined', identity, members: [self] })
    expect(disk.get('forming')).toMatchObject({ type: 'joined' })
    await expect(
      responder.onCall(other, {
        type: 'invite',
        body: { identity: { clusterId: 'd', nodeId: 5 }, members: [] },
      }),
    ).rejects.toMatchObject({ code: 'MEMBERSHIP_REFUSED' })
  })

  test('refuses an invitation for another node, malformed bodies, and what a node without a cluster cannot do', async () => {
    const { responder, disk } = fresh()
    const body = { identity: { clusterId: 'c', nodeId: 6 }, members: [] }
    await expect(responder.onCall(other, { type: 'invite', body })).rejects.toMatchObject({
      code: 'MEMBERSHIP_REFUSED',
    })
    for (const type of ['invite', 'form-propose', 'form-commit']) {
      await expect(responder.onCall(other, { type, body: { clusterId: 7 } })).rejects.toMatchObject(
        { code: 'INVALID_REQUEST' },
      )
    }
    await expect(responder.onCall(other, { type: 'join', body: self })).rejects.toMatchObject({
      code: 'NOT_FORMED',
    })
    expect(disk.size).toBe(0)
  })

  test('agrees to one proposal at a time, and founds only what it agreed to', async () => {
    const { responder, disk } = fresh()
    const [a, b] = [1, 2].map((id) => ({ id, name: `n${id}`, api: '', peer: `n${id}:7401` }))
    if (a === undefined || b === undefined) throw new Error('two nodes')
    const list = new Map([a, b, self].map((node) => [node.peer, node.id]))
    responder.look({ expect: 2, list, sees: [1, 2], hasCluster: false })
    const propose = (from: typeof a, clusterId: string) =>
      responder.onCall(
        { ...from, clusterId: null },
        { type: 'form-propose', body: { clusterId, founders: [from, self] } },
      )
    const both = await Promise.allSettled([propose(a, 'x'), propose(b, 'y')])
    expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    expect(disk.get('forming')).toMatchObject({ type: 'promised', clusterId: 'x', proposer: 1 })
    await expect(propose(a, 'z')).rejects.toMatchObject({ code: 'MEMBERSHIP_REFUSED' })
    expect(await propose(a, 'x')).toBeNull()
    const commit = (clusterId: string) =>
      responder.onCall({ ...a, clusterId }, { type: 'form-commit', body: { clusterId } })
    await expect(commit('y')).rejects.toMatchObject({ code: 'MEMBERSHIP_REFUSED' })
    expect(await commit('x')).toBeNull()
    expect(await commit('x')).toBeNull()
    expect(disk.get('forming')).toMatchObject({ type: 'founded', clusterId: 'x' })
  })

  test('decides nothing more once a note could not be written', async () => {
    const { notes } = fresh()
    const responder = new FormingResponder({
      self: () => self,
      notes: { ...notes, put: () => Promise.reject(new Error('disk full')) },
      logger: SILENT,
    })
    await expect(responder.foundAlone('x')).rejects.toMatchObject({ code: 'INTERNAL' })
    await expect(responder.standing()).rejects.toMatchObject({ code: 'INTERNAL' })
  })

  test('a damaged note is reported, not overwritten', async () => {
    const { responder, disk } = fresh()
    disk.set('forming', { type: 'promised', clusterId: 'x' })
    await expect(responder.foundAlone('y')).rejects.toMatchObject({ code: 'STORAGE_CORRUPT' })
    expect(disk.get('forming')).toEqual({ type: 'promised', clusterId: 'x' })
  })
})
