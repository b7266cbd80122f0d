/**
 * Goal: a mirror that always ends up equal to the control plane, through every way in which a watch can go wrong.
 * Method: a real HTTP server that speaks the watch protocol, and one follower without workers.
 */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ConfigFollower, type ConnectionStatus } from '../../../gateway/config/follower.ts'
import { Mirror, type Delta } from '../../../gateway/config/mirror.ts'
import { SILENT } from '../../../shared/logger.ts'
import { VERSION } from '../../../shared/version.ts'
import { TestControlPlane } from '../support/control-plane.ts'
import { api } from '../support/definitions.ts'
import { until } from '../support/until.ts'

let node: TestControlPlane
const closing: (() => void | Promise<void>)[] = []

beforeEach(async () => {
  node = new TestControlPlane()
  await node.start()
  closing.push(() => node.stop())
})

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

type Following = {
  readonly mirror: Mirror
  readonly follower: ConfigFollower
  readonly deltas: { delta: Delta; isTrusted: boolean }[]
  readonly connections: ConnectionStatus[]
}

function follow(urls: readonly string[] = [node.url], mirror = new Mirror()): Following {
  const deltas: { delta: Delta; isTrusted: boolean }[] = []
  const connections: ConnectionStatus[] = []
  const options = { name: 'gw1', controlUrls: urls, labels: { zone: 'a' }, logger: SILENT }
  const follower = new ConfigFollower(options, mirror, {
    onDelta: (delta, isTrusted) => void deltas.push({ delta, isTrusted }),
    onConnection: (status) => void connections.push(status),
  })
  follower.start()
  closing.push(() => follower.stop())
  return { mirror, follower, deltas, connections }
}

async function caughtUp(mirror: Mirror): Promise<void> {
  await until(`revision ${node.revision}`, () => mirror.revision === node.revision)
  expect(mirror.hash).toBe(node.hash)
}

const A = api('a', '/a', 'u')
const B = api('b', '/b', 'u')

test('a snapshot first, then each change as it comes', async () => {
  node.put(A, B)
  const { mirror, deltas } = follow()
  await caughtUp(mirror)
  expect(mirror.texts.size).toBe(2)
  node.put(api('a', '/other', 'u'))
  await caughtUp(mirror)
  node.delete('Api', 'b')
  await caughtUp(mirror)
  expect(deltas.map(({ delta }) => delta.revision)).toEqual([1, 2, 3])
  expect([...mirror.texts.keys()]).toEqual(['Api/a'])
  expect(node.watches[0]?.get('gateway')).toBe('gw1')
  expect(node.watches[0]?.get('label.zone')).toBe('a')
  expect(node.watches[0]?.has('from')).toBe(false)
})

test('an empty config is a config', async () => {
  const { mirror } = follow()
  await until('the snapshot', () => mirror.revision === 0)
  node.put(A)
  await caughtUp(mirror)
  expect(mirror.texts.size).toBe(1)
})

test('after a cut it resumes where it was', async () => {
  node.put(A)
  const { mirror, deltas, connections } = follow()
  await caughtUp(mirror)
  node.cut()
  await until('the cut to be noticed', () => connections.at(-1)?.isConnected === false)
  node.put(B)
  await caughtUp(mirror)
  expect(node.watches[1]?.get('from')).toBe('1')
  expect(deltas.map(({ delta }) => delta.revision)).toEqual([1, 2])
})

test('it comes back to a node that was away, and says since when it has none', async () => {
  node.put(A)
  const { mirror, follower } = follow()
  await caughtUp(mirror)
  await node.stop()
  await until('the loss', () => !follower.status.isConnected)
  const { lastConnectedAtMs } = follower.status
  expect(Math.abs(Date.now() - (lastConnectedAtMs ?? 0))).toBeLessThan(5_000)
  node.put(B)
  await node.start()
  await caughtUp(mirror)
  expect(follower.status.isConnected).toBe(true)
})

test('a compacted revision means a snapshot, of which only the difference counts', async () => {
  node.put(A, B)
  const { mirror, deltas } = follow()
  await caughtUp(mirror)
  node.cut()
  node.put(api('a', '/new', 'u'))
  node.delete('Api', 'b')
  node.compacted = 3
  await caughtUp(mirror)
  expect(deltas.at(-1)?.delta.puts).toHaveLength(1)
  expect(deltas.at(-1)?.delta.deletes).toEqual([{ kind: 'Api', name: 'b' }])
})

test('a hash that does not match is healed by a snapshot, and never applied', async () => {
  node.put(A)
  const { mirror, deltas } = follow()
  await caughtUp(mirror)
  const definition = { ...B, revision: 2, createdRevision: 2 } as const
  node.commit([{ op: 'put', definition }], 'f'.repeat(64))
  await caughtUp(mirror)
  expect(node.watches[1]?.has('from')).toBe(false)
  expect(deltas).toHaveLength(2)
  expect(deltas[1]?.delta.hash).toBe(node.hash)
})

test('lines that are no lines end the watch, and it begins again', async () => {
  node.put(A)
  const { mirror } = follow()
  await caughtUp(mirror)
  node.say({ type: 'change', revision: 2, hash: 'zz', changes: [] })
  await until('another watch', () => node.watches.length === 2)
  node.put(B)
  await caughtUp(mirror)
  expect(mirror.texts.size).toBe(2)
})

test('lines of a newer protocol are passed over', async () => {
  node.put(A)
  const { mirror } = follow()
  await caughtUp(mirror)
  node.say({ type: 'weather', revision: 5 } as never)
  node.put(B)
  await caughtUp(mirror)
  expect(node.watches).toHaveLength(1)
})

test('it goes on with the next node, at once', async () => {
  const other = new TestControlPlane()
  await other.start()
  closing.push(() => other.stop())
  node.put(A)
  other.put(A)
  const { mirror, follower } = follow([node.url, other.url])
  await caughtUp(mirror)
  await node.stop()
  other.put(B)
  await until('the other node', () => mirror.revision === 2)
  expect(follower.status.url).toBe(other.url)
  expect(other.watches[0]?.get('from')).toBe('1')
})

test('a node that refuses watches is passed over', async () => {
  const other = new TestControlPlane()
  await other.start()
  closing.push(() => other.stop())
  node.refuseWith = 503
  other.put(A)
  const { mirror, follower } = follow([node.url, other.url])
  await until('the other node', () => mirror.revision === 1)
  expect(follower.status.url).toBe(other.url)
})

test('a node that is behind is not followed back; one that says so may go back', async () => {
  node.put(A)
  const mirror = new Mirror()
  mirror.restore({ revision: 40, hash: '0'.repeat(64), texts: new Map() })
  follow([node.url], mirror)
  // Revision 40 is none of this cluster: it says `compacted`, and means it.
  await caughtUp(mirror)
  expect(mirror.revision).toBe(1)
})

test('reports go to the node that is watched: at once, and those in between as one', async () => {
  node.put(A)
  const { mirror, follower } = follow()
  await caughtUp(mirror)
  const report = { hash: mirror.hash, version: VERSION, quarantined: [] }
  for (let revision = 1; revision <= 50; revision++) follower.report({ ...report, revision })
  await node.reported(50)
  expect(node.reports.length).toBeLessThan(10)
})

test('a node of the same version is trusted, others are not', async () => {
  node.put(A)
  const first = follow()
  await caughtUp(first.mirror)
  node.version = VERSION
  const second = follow()
  await caughtUp(second.mirror)
  expect(first.deltas[0]?.isTrusted).toBe(false)
  expect(second.deltas[0]?.isTrusted).toBe(true)
})

test('a stopped follower hears nothing more', async () => {
  node.put(A)
  const { mirror, follower } = follow()
  await caughtUp(mirror)
  follower.stop()
  await until('the end of the watch', () => node.watchers === 0)
  node.put(B)
  node.cut()
  expect(mirror.revision).toBe(1)
  expect(node.watches).toHaveLength(1)
})

test('a watch in a format of a later version is not followed; what is served stays', async () => {
  node.put(A)
  const { mirror } = follow()
  await caughtUp(mirror)
  const { revision, hash } = mirror
  node.watchFormat = 2
  await node.stop()
  node.put(B)
  await node.start()
  const before = node.watches.length
  await until('the gateway has tried again', () => node.watches.length > before + 1)
  expect({ revision: mirror.revision, hash: mirror.hash }).toEqual({ revision, hash })
  // A node that it understands is taken up again.
  node.watchFormat = 1
  await caughtUp(mirror)
})
