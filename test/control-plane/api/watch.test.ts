// The mirror of the last test checks each line by its type, and failed statuses show the answer.
/* oxlint-disable vitest/no-conditional-expect, vitest/valid-expect */
import { connect, type Socket } from 'node:net'
import { afterEach, expect, test, vi } from 'vitest'
import { definitionChange } from '../../../control-plane/state-machine/state.ts'
import { ConfigHash } from '../../../shared/config-hash.ts'
import { Random } from '../../../shared/random.ts'
import type { WatchLine } from '../../../shared/watch-protocol.ts'
import { checkWatch, type WatchEvent } from '../../checkers/watch-history.ts'
import { apiSpec, call, TestWatch, until, type Line } from '../../conformance/api-client.ts'
import { startCluster, type Running } from './start.ts'

let running: Running
const watches: TestWatch[] = []
const sockets: Socket[] = []

afterEach(async () => {
  vi.restoreAllMocks()
  for (const watch of watches.splice(0)) watch.close()
  for (const socket of sockets.splice(0)) socket.destroy()
  await running.close()
})

async function open(query = '', at = 0): Promise<TestWatch> {
  const watch = await TestWatch.open(running.url(at), query)
  watches.push(watch)
  return watch
}

async function put(name: string, labels: object = {}): Promise<number> {
  const json = { spec: apiSpec(name), labels }
  const reply = await call(running.url(0), `PUT /v1/apis/${name}`, { json })
  expect(reply.status, reply.text).toBeLessThan(300)
  return reply.body.revision
}

/** A watcher that takes nothing until it is resumed. */
async function openDeaf(): Promise<{ readonly socket: Socket; readonly text: () => string }> {
  const socket = connect({ port: Number(new URL(running.url(0)).port), host: '127.0.0.1' })
  sockets.push(socket)
  let text = ''
  socket.pause()
  socket.on('data', (data) => {
    text += data.toString()
  })
  socket.on('error', () => {})
  socket.write('GET /v1/watch HTTP/1.1\r\nHost: x\r\n\r\n')
  await until(async () => (await metric('raftway_watchers')) > 0)
  return { socket, text: () => text }
}

async function metric(name: string): Promise<number> {
  const { text } = await call(running.url(0), 'GET /metrics')
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN)
}

/** Definitions of about a megabyte each, so that the buffers of the system fill up. */
async function putLarge(count: number): Promise<void> {
  const routes = Array.from({ length: 900 }, (_, i) => ({ path: `/${i}/${'x'.repeat(1_000)}` }))
  const spec = { ...apiSpec('large'), routes }
  for (let i = 0; i < count; i++) {
    const reply = await call(running.url(0), 'PUT /v1/apis/large', { json: { spec } })
    expect(reply.status).toBeLessThan(300)
  }
}

test('a change is encoded once, however many watch', async () => {
  running = await startCluster(1)
  const all = await Promise.all(Array.from({ length: 50 }, () => open()))
  for (const watch of all) await watch.nextOf('snapshot-end')
  const spy = vi.spyOn(JSON, 'stringify')
  const revision = await put('once')
  const encoded = spy.mock.calls.filter(([value]) => value?.type === 'change')
  expect(encoded).toHaveLength(1)
  for (const watch of all) expect((await watch.nextOf('change')).revision).toBe(revision)
})

test('watchers that begin together share the text of one snapshot', async () => {
  running = await startCluster(1)
  for (let i = 0; i < 20; i++) await put(`shared-${i}`)
  const spy = vi.spyOn(JSON, 'stringify')
  const all = await Promise.all(Array.from({ length: 10 }, () => open()))
  for (const watch of all) {
    const { count, revision } = await watch.next()
    expect(count).toBe(20)
    await watch.nextOf('snapshot-end')
    expect(watch.lines.filter(({ type }: Line) => type === 'definition')).toHaveLength(20)
    expect(watch.lines.at(-1).revision).toBe(revision)
  }
  const encoded = spy.mock.calls.filter(([value]) => value?.kind === 'Api')
  expect(encoded).toHaveLength(20)
})

test('bookmarks come of themselves and name a revision that was delivered', async () => {
  running = await startCluster(1, { bounds: { bookmarkMs: 40 } })
  const watch = await open()
  const first = await watch.nextOf('bookmark')
  expect(first).toEqual({ type: 'bookmark', revision: 0 })
  const revision = await put('marked')
  expect((await watch.nextOf('change')).revision).toBe(revision)
  expect(await watch.nextOf('bookmark')).toEqual({ type: 'bookmark', revision })
})

test('what memory no longer holds is replayed from history, with the same hashes', async () => {
  running = await startCluster(1, { bounds: { recentChangesBytesMax: 1_000 } })
  const live = await open()
  await live.nextOf('snapshot-end')
  const expected: Line[] = []
  for (let i = 0; i < 40; i++) {
    if (i % 5 === 4) await call(running.url(0), `DELETE /v1/apis/replayed-${(i % 3) + 1}`)
    else await put(`replayed-${i % 3}`, { i: String(i) })
  }
  await until(() => live.lines.at(-1)?.revision === running.node(0).state.revision)
  expected.push(...live.lines.filter(({ type }: Line) => type === 'change'))
  expect(expected.length).toBeGreaterThan(30)
  for (const from of [0, 7, expected.length - 1]) {
    const watch = await open(`?from=${from}`)
    const seen: Line[] = []
    while (seen.length < expected.length - from) seen.push(await watch.next())
    expect(seen).toEqual(expected.slice(from))
  }
})

test('a watch from a compacted revision says so and goes on with a snapshot', async () => {
  running = await startCluster(1, { bounds: { recentChangesBytesMax: 1 } })
  for (let i = 0; i < 10; i++) await put('compacted', { i: String(i) })
  running.cluster.compactHistory(5)
  const kept = await open('?from=5')
  expect((await kept.next()).revision).toBe(6)
  const watch = await open('?from=4')
  expect(await watch.next()).toEqual({ type: 'compacted', revision: 5 })
  expect(await watch.next()).toEqual({ type: 'snapshot', revision: 10, count: 1 })
  await watch.nextOf('snapshot-end')
  const revision = await put('compacted')
  expect((await watch.nextOf('change')).revision).toBe(revision)
})

test('when the state is replaced by a snapshot, every watch starts over in its stream', async () => {
  running = await startCluster(2)
  const watch = await open('', 1)
  await watch.nextOf('snapshot-end')
  running.node(1).hold()
  await put('reset-a')
  await put('reset-b')
  running.node(1).installFrom(running.node(0))
  running.node(1).release()
  expect(await watch.next()).toEqual({ type: 'compacted', revision: 2 })
  expect(await watch.next()).toEqual({ type: 'snapshot', revision: 2, count: 2 })
  const end = await watch.nextOf('snapshot-end')
  expect(end.hash).toBe(running.node(0).state.hash)
  const revision = await put('reset-c')
  expect(await watch.next()).toMatchObject({ type: 'change', revision })
})

test('a revision that this node is about to have is waited for', async () => {
  running = await startCluster(2)
  running.node(1).hold()
  await put('ahead-a')
  const opening = open('?from=1', 1)
  await until(() => running.node(1).readBarriers > 0)
  running.node(1).release()
  const watch = await opening
  const revision = await put('ahead-b')
  expect(await watch.next()).toMatchObject({ type: 'change', revision })
})

test('a live watcher that does not keep up is cut off with the reason, and nobody else is', async () => {
  running = await startCluster(1, { bounds: { watcherQueueBytesMax: 2_000_000 } })
  const good = await open()
  await good.nextOf('snapshot-end')
  const { socket, text } = await openDeaf()
  await until(async () => (await metric('raftway_watchers')) === 2)
  let written = 0
  for (; written < 60 && (await metric('raftway_watchers_cut_off_total')) === 0; written++) {
    await putLarge(1)
  }
  expect(await metric('raftway_watchers_cut_off_total')).toBe(1)
  socket.resume()
  await until(() => socket.destroyed || text().includes('"closed"'))
  const lines = text()
    .split('\n')
    .filter((line) => line.startsWith('{'))
  const last = JSON.parse(lines.at(-1) ?? '{}')
  expect(last).toMatchObject({
    type: 'closed',
    code: 'WATCHER_TOO_SLOW',
    reason: expect.any(String),
  })
  await until(async () => (await metric('raftway_watchers')) === 1)
  await until(() => good.lines.at(-1)?.revision === written)
})

test('a watcher that takes nothing of its snapshot is cut off', async () => {
  running = await startCluster(1, { bounds: { watcherStallMs: 100 } })
  const routes = Array.from({ length: 900 }, (_, i) => ({ path: `/${i}/${'x'.repeat(1_000)}` }))
  for (let i = 0; i < 12; i++) {
    const spec = { ...apiSpec(`stalled-${i}`), routes }
    await call(running.url(0), `PUT /v1/apis/stalled-${i}`, { json: { spec } })
  }
  await openDeaf()
  await until(async () => (await metric('raftway_watchers')) === 0)
  expect(await metric('raftway_watchers_cut_off_total')).toBe(1)
})

// While a client takes nothing its snapshot stands still, and the world goes on: changes, and bookmarks for the others.
test('what happens while a snapshot is sent comes after it, and no bookmark runs ahead', async () => {
  running = await startCluster(1, { bounds: { bookmarkMs: 20 } })
  const routes = Array.from({ length: 900 }, (_, i) => ({ path: `/${i}/${'x'.repeat(1_000)}` }))
  for (let i = 0; i < 12; i++) {
    const spec = { ...apiSpec(`slow-${i}`), routes }
    await call(running.url(0), `PUT /v1/apis/slow-${i}`, { json: { spec } })
  }
  const { socket, text } = await openDeaf()
  const good = await open('?from=12')
  await put('meanwhile')
  await good.nextOf('change')
  expect(await good.nextOf('bookmark')).toEqual({ type: 'bookmark', revision: 13 })
  socket.resume()
  await until(() => text().includes('"bookmark","revision":13'))
  const lines = text()
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as WatchLine)
  const history = await running.node(0).state.history({ after: 0, upTo: 13, limit: 100 })
  const truth = {
    changes: history.map(({ revision, changes }) => ({
      revision,
      changes: changes.map(definitionChange),
    })),
  }
  const events: WatchEvent[] = lines.map((line) => ({ type: 'line', line, committed: 13 }))
  expect(checkWatch([{ type: 'open', from: null }, ...events], truth)).toEqual([])
  expect(lines.find(({ type }) => type === 'snapshot')).toMatchObject({ revision: 12 })
  expect(lines.filter(({ type }) => type === 'change')).toHaveLength(1)
})

test('there are as many watches as are allowed, and room again when one ends', async () => {
  running = await startCluster(1, { bounds: { watchersMax: 2 } })
  const first = await open()
  await open()
  const refused = await call(running.url(0), 'GET /v1/watch')
  expect(refused.body).toMatchObject({ status: 503, code: 'OVERLOADED' })
  expect(refused.headers['retry-after']).toBe('1')
  first.close()
  await until(async () => (await metric('raftway_watchers')) === 1)
  await (await open()).nextOf('snapshot')
  const head = await call(running.url(0), 'HEAD /v1/watch')
  expect(head.status).toBe(503)
})

test('a node that stops tells its watchers', async () => {
  running = await startCluster(1)
  const watch = await open()
  await watch.nextOf('snapshot-end')
  await running.close()
  await watch.ended()
  expect(watch.lines.at(-1)).toMatchObject({ type: 'closed', code: 'STOPPING' })
})

// A dumb second implementation of a gateway's mirror follows each stream, under writes, with small memory, resets and
// compactions: whatever the way a watch catches up, it ends with exactly the config of the node.
test('every watch, from anywhere, ends with the config of the node', async () => {
  running = await startCluster(2, { bounds: { recentChangesBytesMax: 3_000, bookmarkMs: 20 } })
  const seed = Date.now() % 100_000
  const random = new Random(seed)
  const followed: TestWatch[] = []
  for (let step = 0; step < 150; step++) {
    const name = `mirror-${random.below(8)}`
    const dice = random.below(20)
    if (dice < 5) await call(running.url(0), `DELETE /v1/apis/${name}`)
    else if (dice < 16) await put(name, { step: String(step) })
    else if (dice === 16) running.node(1).hold()
    else if (dice === 17) running.node(1).release()
    else if (dice === 18) running.node(1).installFrom(running.node(0))
    const { revision } = running.node(1).state
    if (step % 10 === 0) {
      const from = random.below(3) === 0 ? '' : `?from=${random.below(revision + 1)}`
      followed.push(await open(from, 1))
    }
  }
  running.node(1).release()
  const { revision, hash } = running.node(0).state
  const config = JSON.stringify(running.node(0).state.list())
  for (const watch of followed) {
    await until(() => watch.lines.at(-1)?.revision === revision)
    const mirror = mirrorOf(watch.lines)
    if (mirror === null) continue
    expect(mirror.hash, `seed ${seed}`).toBe(hash)
    expect(JSON.stringify(mirror.definitions), `seed ${seed}`).toBe(config)
  }
})

/** The config that the lines of a watch add up to, checking their order; null for one that resumed without a snapshot. */
function mirrorOf(lines: readonly Line[]): { hash: string; definitions: Line[] } | null {
  let config: Map<string, Line> | null = null
  let revision = -1
  let hash = ''
  for (const line of lines) {
    if (line.type === 'snapshot') {
      config = new Map()
      revision = line.revision
    } else if (line.type === 'definition') config?.set(line.definition.name, line.definition)
    else if (line.type === 'snapshot-end') {
      expect(line.revision).toBe(revision)
      ;({ hash } = line)
    } else if (line.type === 'change') {
      if (revision !== -1) expect(line.revision).toBe(revision + 1)
      ;({ revision, hash } = line)
      for (const change of line.changes) {
        if (change.op === 'put') config?.set(change.definition.name, change.definition)
        else config?.delete(change.name)
      }
    } else if (line.type === 'bookmark' && revision !== -1) expect(line.revision).toBe(revision)
  }
  if (config === null) return null
  const definitions = [...config.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  const sum = new ConfigHash()
  for (const definition of definitions) sum.add(JSON.stringify(definition))
  expect(sum.toHex()).toBe(hash)
  return { hash, definitions }
}
