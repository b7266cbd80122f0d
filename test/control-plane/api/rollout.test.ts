import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { GatewayRegistry } from '../../../control-plane/api/gateway-registry.ts'
import { RolloutBoard, type Rollout } from '../../../control-plane/api/rollout.ts'
import { SILENT } from '../../../shared/logger.ts'
import type { GatewayReport } from '../../../shared/watch-protocol.ts'
import { LoneCluster, type LoneNode } from './lone-cluster.ts'

// Registries of several nodes that publish to each other, under a clock that the test moves.

const HASH = 'a'.repeat(64)
let nodes: Station[] = []

class Station {
  readonly gateways: GatewayRegistry
  readonly rollouts: RolloutBoard
  readonly node: LoneNode
  readonly errors: object[] = []

  constructor(node: LoneNode) {
    const hashAt = (revision: number): string | null => (revision === 5 ? HASH : null)
    const logger = { ...SILENT, error: (fields: object) => this.errors.push(fields) }
    this.node = node
    this.gateways = new GatewayRegistry({ plane: node, logger, hashAt })
    this.rollouts = new RolloutBoard({ gateways: this.gateways, hashAt })
  }
}

beforeEach(() => {
  vi.useFakeTimers({
    toFake: [
      'setTimeout',
      'clearTimeout',
      'setInterval',
      'clearInterval',
      'performance',
      'setImmediate',
    ],
  })
  nodes = new LoneCluster(2).nodes.map((node) => new Station(node))
})

afterEach(() => {
  for (const { gateways, rollouts } of nodes) {
    rollouts.close()
    gateways.close()
  }
  vi.useRealTimers()
})

function station(at: number): Station {
  const found = nodes[at]
  if (found === undefined) throw new RangeError(`no node ${at}`)
  return found
}

function reportOf(revision: number, more: Partial<GatewayReport> = {}): GatewayReport {
  return { revision, hash: HASH, version: '1', quarantined: [], ...more }
}

function wait(at: number, revision: number, timeoutMs = 1_000): Promise<Rollout> {
  return station(at).rollouts.wait({ revision, definitions: new Set(['Api/x']), timeoutMs })
}

async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending')
  const turn = vi.advanceTimersByTimeAsync(0).then(() => pending)
  return (await Promise.race([promise, turn])) !== pending
}

test('a report ends the wait in the tick in which it comes', async () => {
  const { gateways } = station(0)
  gateways.watchOpened('a', {})
  gateways.watchOpened('b', {})
  const rollout = wait(0, 5)
  gateways.report('a', reportOf(5))
  gateways.report('b', reportOf(4))
  expect(await isSettled(rollout)).toBe(false)
  gateways.report('b', reportOf(6))
  expect(await rollout).toEqual({ revision: 5, gateways: 2, applied: 2, behind: [] })
})

test('gateways of another node count within its next publication', async () => {
  station(1).gateways.watchOpened('far', {})
  await vi.advanceTimersByTimeAsync(20)
  const rollout = wait(0, 5)
  expect(await isSettled(rollout)).toBe(false)
  station(1).gateways.report('far', reportOf(5))
  await vi.advanceTimersByTimeAsync(20)
  expect((await rollout).applied).toBe(1)
})

test('a gateway that leaves is named and waited for no longer', async () => {
  const { gateways } = station(0)
  const leave = gateways.watchOpened('a', {})
  gateways.report('a', reportOf(3))
  const rollout = wait(0, 5)
  leave()
  expect((await rollout).behind).toEqual([{ name: 'a', revision: 3, reason: 'not connected' }])
  const after = await wait(0, 5)
  expect(after).toMatchObject({ gateways: 0, behind: [] })
})

test('a gateway that comes while a writer waits is waited for as well', async () => {
  const { gateways } = station(0)
  gateways.watchOpened('a', {})
  const rollout = wait(0, 5)
  gateways.watchOpened('b', {})
  gateways.report('a', reportOf(5))
  expect(await isSettled(rollout)).toBe(false)
  gateways.report('b', reportOf(5))
  expect((await rollout).gateways).toBe(2)
})

test('a gateway that comes back has applied nothing until it says so', async () => {
  const { gateways } = station(0)
  gateways.watchOpened('a', {})()
  gateways.report('a', reportOf(5))
  gateways.watchOpened('a', {})
  const rollout = wait(0, 5, 100)
  expect(await isSettled(rollout)).toBe(false)
  await vi.advanceTimersByTimeAsync(100)
  expect((await rollout).behind).toEqual([
    { name: 'a', revision: 0, reason: 'has not reported yet' },
  ])
})

test('a gateway with another config, or one that quarantined what was written, has not applied it', async () => {
  const { gateways, errors } = station(0)
  for (const name of ['a', 'b', 'c']) gateways.watchOpened(name, {})
  gateways.report('a', reportOf(5, { hash: 'b'.repeat(64) }))
  gateways.report('a', reportOf(5, { hash: 'b'.repeat(64) }))
  gateways.report('b', reportOf(5, { quarantined: [{ kind: 'Api', name: 'x', reason: 'no' }] }))
  gateways.report('c', reportOf(5, { quarantined: [{ kind: 'Api', name: 'y', reason: 'no' }] }))
  expect(await wait(0, 5)).toEqual({
    revision: 5,
    gateways: 3,
    applied: 1,
    behind: [
      { name: 'a', revision: 5, reason: 'its config hash at revision 5 differs' },
      { name: 'b', revision: 5, reason: 'quarantined Api/x: no' },
    ],
  })
  expect(errors).toEqual([{ gateway: 'a', revision: 5, hash: 'b'.repeat(64), expected: HASH }])
})

test('a node that went silent takes its gateways with it, and brings them back', async () => {
  station(1).gateways.watchOpened('far', {})
  await vi.advanceTimersByTimeAsync(20)
  expect(station(0).gateways.status('far')?.connected).toBe(true)
  station(1).node.isMute = true
  const rollout = wait(0, 5, 60_000)
  await vi.advanceTimersByTimeAsync(25_000)
  expect((await rollout).behind[0]?.reason).toBe('not connected')
  station(1).node.isMute = false
  await vi.advanceTimersByTimeAsync(6_000)
  expect(station(0).gateways.status('far')?.connected).toBe(true)
})

test('a gateway that moves between nodes is told by the one that it is connected to', async () => {
  const leave = station(0).gateways.watchOpened('mover', {})
  station(0).gateways.report('mover', reportOf(4))
  await vi.advanceTimersByTimeAsync(20)
  leave()
  station(1).gateways.watchOpened('mover', {})
  station(1).gateways.report('mover', reportOf(5))
  await vi.advanceTimersByTimeAsync(20)
  for (const at of [0, 1]) {
    expect(station(at).gateways.status('mover')).toMatchObject({
      node: 'n2',
      connected: true,
      report: { revision: 5 },
    })
  }
})

test('without a watch by name, reports say that a gateway is there, until they stop', async () => {
  const { gateways } = station(0)
  gateways.report('reporter', reportOf(4))
  expect(gateways.status('reporter')?.connected).toBe(true)
  const rollout = wait(0, 5, 60_000)
  await vi.advanceTimersByTimeAsync(21_000)
  expect((await rollout).behind[0]?.reason).toBe('not connected')
  await vi.advanceTimersByTimeAsync(3_700_000)
  expect(gateways.status('reporter')).toBeNull()
  expect(station(1).gateways.status('reporter')).toBeNull()
})

test('as many gateways are remembered as the bound says, the longest silent forgotten first', async () => {
  const { gateways } = station(0)
  const leave = gateways.watchOpened('connected', {})
  for (let i = 0; i < 10_000; i++) {
    gateways.report(`g${i}`, reportOf(1))
    if (i === 0) await vi.advanceTimersByTimeAsync(10)
  }
  expect(gateways.list()).toHaveLength(10_000)
  expect(gateways.status('g0')).toBeNull()
  expect(gateways.status('connected')?.connected).toBe(true)
  leave()
})

test('a thousand reports at once are one publication', async () => {
  const published = vi.spyOn(station(0).node.gateways, 'publish')
  for (let i = 0; i < 1_000; i++) station(0).gateways.report(`g${i}`, reportOf(1))
  await vi.advanceTimersByTimeAsync(5)
  expect(published).toHaveBeenCalledTimes(1)
  expect(published.mock.calls[0]?.[0]).toHaveLength(1_000)
})

test('a gateway that has just connected to another node counts, though that node has not told of it yet', async () => {
  const other = station(1)
  other.node.isMute = true
  other.gateways.watchOpened('elsewhere', {})
  expect(await wait(0, 5, 0)).toMatchObject({ gateways: 0 })
  await station(0).gateways.refresh(1_000)
  const rollout = wait(0, 5)
  expect(await isSettled(rollout)).toBe(false)
  other.node.isMute = false
  other.gateways.report('elsewhere', reportOf(5))
  await vi.advanceTimersByTimeAsync(50)
  expect(await rollout).toEqual({ revision: 5, gateways: 1, applied: 1, behind: [] })
})
