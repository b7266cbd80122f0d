// Goal: a backup holds what was acknowledged before it was asked for; what is made of it, or of a survivor, is another
// cluster that nobody who knew the old one can take for it. Method: whole nodes, and the command line as people use it.
import { readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ConfigFollower } from '../../gateway/config/follower.ts'
import { Mirror } from '../../gateway/config/mirror.ts'
import { REVISION_BUMP } from '../../shared/limits.ts'
import { SILENT } from '../../shared/logger.ts'
import { Random } from '../../shared/random.ts'
import { raftway } from '../cli/terminal.ts'
import { call, TestWatch, until } from '../conformance/api-client.ts'
import { configOf, found, placeFor, putUpstream, ready, startAt, testDirectory } from './servers.ts'

async function json(argv: readonly string[]) {
  const { exit, out, said } = await raftway([...argv, '-o', 'json'])
  if (exit !== 0) throw new Error(`${argv.join(' ')}: exit ${exit}: ${said}`)
  return JSON.parse(out)
}

test('a backup taken under load holds every write acknowledged before, from a follower too', async () => {
  const dir = await testDirectory()
  const { servers } = await found(dir, 3)
  const urls = servers.map(({ apiUrl }) => apiUrl)
  let acknowledged = 0
  const over = new AbortController()
  const load = Promise.all(
    urls.map(async (url, at) => {
      for (let n = 0; !over.signal.aborted; n++) {
        const { status, body } = await putUpstream(url, `u${at}-${n % 50}`, 1_000 + n)
        if (status < 300) acknowledged = Math.max(acknowledged, body.revision)
      }
    }),
  )
  for (const [at, url] of urls.entries()) {
    await until(() => acknowledged > (at + 1) * 20)
    const before = acknowledged
    const file = join(dir, `saved-${at}`)
    const saved = await json(['snapshot', 'save', file, '--control', url])
    expect(saved.revision).toBeGreaterThanOrEqual(before)
    const seen = await json(['snapshot', 'inspect', file])
    const { body } = await call(url, `GET /v1/config?revision=${saved.revision}`)
    expect(seen).toMatchObject({
      revision: saved.revision,
      bytes: saved.bytes,
      definitions: { Upstream: body.definitions.length },
      history: { from: 1, to: saved.revision },
    })
    expect(seen.members.map(({ name }: { name: string }) => name)).toEqual(
      expect.arrayContaining(['n1', 'n2', 'n3']),
    )
  }
  over.abort()
  await load
  // Nothing but whole backups is left behind.
  expect((await readdir(dir)).filter((name) => name.startsWith('.'))).toEqual([])
})

test('a restored cluster begins above everything, under its own id, and whoever watched the old one follows it', async () => {
  const dir = await testDirectory()
  const { servers, places } = await found(dir, 1)
  const [old] = servers
  const [place] = places
  if (old === undefined || place === undefined) throw new Error('no node')
  await putUpstream(old.apiUrl, 'kept', 1)
  await putUpstream(old.apiUrl, 'kept', 2)
  const file = join(dir, 'saved')
  const saved = await json(['snapshot', 'save', file, '--control', old.apiUrl])
  const savedConfig = await configOf(old.apiUrl)
  for (let n = 0; n < 5; n++) await putUpstream(old.apiUrl, `lost-${n}`, 3)
  const mirror = new Mirror()
  const options = { name: 'gw', controlUrls: [old.apiUrl], labels: {}, logger: SILENT }
  const follower = new ConfigFollower(options, mirror, {
    onDelta: () => {},
    onConnection: () => {},
  })
  follower.start()
  try {
    await until(() => mirror.revision === saved.revision + 5)
    await old.stop()
    // The new cluster takes the old one's addresses.
    const next = { ...place, dataDir: join(dir, 'restored') }
    const argv = ['snapshot', 'restore', file, '--data-dir', next.dataDir, '--name', 'n1']
    const restored = await json([...argv, '--advertise-peer', `127.0.0.1:${place.peer}`])
    expect(restored).toMatchObject({ revision: saved.revision + REVISION_BUMP })
    expect(restored.clusterId).not.toBe(saved.clusterId)
    const server = await startAt(next)
    await ready(server)
    const config = await configOf(server.apiUrl)
    expect(config).toMatchObject({ hash: savedConfig.hash, names: ['kept'] })
    expect(config.revision).toBe(restored.revision)
    await until(() => mirror.revision === restored.revision, 20_000)
    expect([...mirror.texts.keys()]).toEqual(['Upstream/kept'])
    await putUpstream(server.apiUrl, 'later', 4)
    await until(() => mirror.revision === restored.revision + 1)
    const watch = await TestWatch.open(server.apiUrl, `?from=${saved.revision + 5}`)
    expect(await watch.next()).toMatchObject({ type: 'compacted' })
    expect(await watch.next()).toMatchObject({ type: 'snapshot', count: 2 })
    watch.close()
    const { body } = await call(server.apiUrl, 'GET /v1/history')
    expect(body.items.at(-1)).toMatchObject({
      revision: restored.revision,
      message: `restored from revision ${saved.revision} of cluster ${saved.clusterId}`,
    })
    expect((await call(server.apiUrl, 'GET /v1/cluster')).body.clusterId).toBe(restored.clusterId)
  } finally {
    follower.stop()
  }
})

test('three founders are restored alike, elect a leader, and take others in', async () => {
  const dir = await testDirectory()
  const { servers } = await found(dir, 1)
  const [old] = servers
  if (old === undefined) throw new Error('no node')
  await putUpstream(old.apiUrl, 'kept', 1)
  const file = join(dir, 'saved')
  await json(['snapshot', 'save', file, '--control', old.apiUrl])
  await old.stop()
  const places = await Promise.all(['a', 'b', 'c'].map((name) => placeFor(dir, name)))
  const members = places.map(({ name, peer }) => `${name}=127.0.0.1:${peer}`).join(',')
  let clusterId: string | null = null
  for (const { name, dataDir } of places) {
    const argv = ['snapshot', 'restore', file, '--data-dir', dataDir, '--name', name]
    const id: readonly string[] = clusterId === null ? [] : ['--cluster-id', clusterId]
    const made = await json([...argv, '--members', members, ...id])
    clusterId ??= made.clusterId as string
    expect(made.clusterId).toBe(clusterId)
  }
  const restored = await Promise.all(places.map((place) => startAt(place)))
  await Promise.all(restored.map((server) => ready(server)))
  const [first] = restored
  if (first === undefined) throw new Error('no node')
  // Each tells the leader its API address when it starts; until then a write by a follower may find no way to it.
  await until(async () => (await putUpstream(first.apiUrl, 'later', 2)).status < 300, 20_000)
  for (const { apiUrl } of restored)
    expect((await configOf(apiUrl)).names).toEqual(['kept', 'later'])
  const extra = await startAt(await placeFor(dir, 'd'), { join: [first.peer] })
  await ready(extra)
  expect((await configOf(extra.apiUrl)).names).toEqual(['kept', 'later'])
})

test('damage anywhere in a backup is found, with where, and nothing is made of it', async () => {
  const dir = await testDirectory()
  const { servers } = await found(dir, 1)
  const [server] = servers
  if (server === undefined) throw new Error('no node')
  for (let n = 0; n < 30; n++) await putUpstream(server.apiUrl, `u${n}`, n + 1)
  const file = join(dir, 'saved')
  await json(['snapshot', 'save', file, '--control', server.apiUrl])
  const bytes = await readFile(file)
  const seed = 20_261_125
  const random = new Random(seed)
  const damaged = join(dir, 'damaged')
  for (let round = 0; round < 60; round++) {
    const copy = Buffer.from(bytes)
    const at = random.below(copy.length)
    copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8))
    const isCut = round % 3 === 0
    await writeFile(damaged, isCut ? bytes.subarray(0, at) : copy)
    const { exit, said, out } = await raftway(['snapshot', 'inspect', damaged])
    expect({ seed, round, at, exit, out }).toEqual({ seed, round, at, exit: 8, out: '' })
    expect(said).toMatch(/BACKUP_DAMAGED: .*(byte \d+|format)/)
  }
  const longer = join(dir, 'longer')
  await writeFile(longer, Buffer.concat([bytes, Buffer.from('x')]))
  expect((await raftway(['snapshot', 'inspect', longer])).exit).toBe(8)
  const argv = ['snapshot', 'restore', damaged, '--data-dir', join(dir, 'made'), '--name', 'n1']
  expect((await raftway(argv)).exit).toBe(8)
  expect(await readdir(dir)).not.toContain('made')
})

test('a restore refuses a directory with data, a running node, and a revision that goes back', async () => {
  const dir = await testDirectory()
  const { servers, places } = await found(dir, 1)
  const [server] = servers
  const [place] = places
  if (server === undefined || place === undefined) throw new Error('no node')
  await putUpstream(server.apiUrl, 'u', 1)
  const file = join(dir, 'saved')
  await json(['snapshot', 'save', file, '--control', server.apiUrl])
  const restore = ['snapshot', 'restore', file, '--name', 'n1', '--data-dir']
  expect(await raftway([...restore, place.dataDir])).toMatchObject({ exit: 4 })
  const back = await raftway([...restore, join(dir, 'new'), '--revision-floor', '1'])
  expect(back).toMatchObject({ exit: 8 })
  expect(back.said).toContain('above revision 1')
  const recover = ['server', 'recover', '--force-new-cluster', '--yes', '--data-dir']
  const running = await raftway([...recover, place.dataDir])
  expect(running).toMatchObject({ exit: 4 })
  expect(running.said).toContain('DATA_DIRECTORY_IN_USE')
})

test('a survivor becomes a cluster of one with everything in its log, and the old members stay out', async () => {
  const dir = await testDirectory()
  const { servers, places } = await found(dir, 3)
  const [first, ...others] = servers
  const [place, ...gone] = places
  if (first === undefined || place === undefined) throw new Error('no node')
  for (let n = 0; n < 20; n++) await putUpstream(first.apiUrl, `u${n}`, n + 1)
  const before = await configOf(first.apiUrl)
  const { body: old } = await call(first.apiUrl, 'GET /v1/cluster')
  await Promise.all(others.map((server) => server.stop()))
  // Without its majority it acknowledges nothing, but its log may take it: it is kept.
  await call(first.apiUrl, 'PUT /v1/upstreams/tail', {
    json: { spec: { targets: [{ url: 'http://127.0.0.1:9' }] } },
  })
  await first.stop()
  const argv = ['server', 'recover', '--force-new-cluster', '--data-dir', place.dataDir]
  const refused = await raftway(argv, { stdin: 'yes\n' })
  expect(refused.exit).toBe(1)
  expect(refused.said).toContain('What may be LOST')
  const { exit, out } = await raftway([...argv, '-o', 'json'], { stdin: 'force new cluster\n' })
  expect(exit).toBe(0)
  const recovered = JSON.parse(out)
  expect(recovered.from.revision).toBeGreaterThanOrEqual(before.revision)
  expect(recovered.revision).toBe(recovered.from.revision + REVISION_BUMP)
  const server = await startAt(place)
  await ready(server)
  const { body: now } = await call(server.apiUrl, 'GET /v1/cluster')
  expect(now.clusterId).not.toBe(old.clusterId)
  expect(now.members.map(({ name }: { name: string }) => name)).toEqual(['n1'])
  const config = await configOf(server.apiUrl)
  expect(config.names).toEqual(expect.arrayContaining(before.names))
  expect((await putUpstream(server.apiUrl, 'later', 1)).body.revision).toBe(recovered.revision + 1)
  // The others come back on their old data: they are a cluster of their own, and never of this one.
  const back = await Promise.all(gone.map((each) => startAt(each)))
  for (const each of back) await ready(each)
  expect((await call(server.apiUrl, 'GET /v1/cluster')).body.members).toHaveLength(1)
  const [one] = back
  if (one === undefined) throw new Error('no node')
  const { body: theirs } = await call(one.apiUrl, 'GET /v1/cluster')
  expect(theirs.clusterId).toBe(old.clusterId)
  expect((await configOf(one.apiUrl)).names).not.toContain('later')
})
