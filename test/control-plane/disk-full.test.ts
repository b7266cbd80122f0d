// Goal: a node whose disk others fill to the last byte refuses, serves on, and goes on by itself. Method: a small tmpfs
// as its disk, which takes root; elsewhere the tests are skipped by name.
import { execFileSync } from 'node:child_process'
import { mkdir, open, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { call, TestWatch, until } from '../conformance/api-client.ts'
import { configOf, found, putUpstream, ready, startAt, testDirectory } from './servers.ts'

const MIB = 2 ** 20
const RESERVE = { diskReserveBytes: 8 * MIB }

function mount(path: string, size: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', path], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

const mayMount = await (async () => {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false
  const path = join('/tmp', `raftway-mount-${process.pid}`)
  await mkdir(path, { recursive: true })
  const isMounted = mount(path, '1m')
  if (isMounted) execFileSync('umount', [path])
  await rm(path, { recursive: true })
  return isMounted
})()

/** A directory on a disk of its own, which goes with the test. */
async function smallDisk(dir: string, name: string): Promise<string> {
  const path = join(dir, name)
  await mkdir(path, { recursive: true })
  expect(mount(path, '48m')).toBe(true)
  onTestFinished(() => {
    // Lazily: the node that the test started may still close its files.
    execFileSync('umount', ['-l', path])
  })
  return path
}

/** Writes until there is no room for another byte. */
async function fill(dir: string): Promise<void> {
  const file = await open(join(dir, 'filler'), 'a')
  try {
    for (let piece = MIB; piece >= 512;) {
      try {
        await file.write(Buffer.alloc(piece, 1))
      } catch {
        piece /= 2
      }
    }
  } finally {
    await file.close()
  }
}

test.runIf(mayMount)(
  'a disk that is filled to the last byte: refused, served, and taken up again',
  async () => {
    const dir = await testDirectory()
    const disk = await smallDisk(dir, 'n1')
    const { servers } = await found(dir, 1, RESERVE)
    const [server] = servers
    if (server === undefined) throw new Error('no node')
    await until(async () => (await readdir(disk)).includes('ballast'), 10_000)
    for (let n = 0; n < 50; n++) await putUpstream(server.apiUrl, `u${n}`, n + 1)
    let ended: unknown = null
    void server.ended.then((reason) => (ended = reason))
    const before = await configOf(server.apiUrl)
    // Others write while this node does.
    const writing = Promise.all(
      Array.from({ length: 200 }, (_, n) => putUpstream(server.apiUrl, `w${n}`, n + 1)),
    )
    await fill(disk)
    const acknowledged = (await writing).filter(({ status }) => status < 300).length
    await until(async () => (await putUpstream(server.apiUrl, 'late', 1)).status === 507, 10_000)
    const refused = await putUpstream(server.apiUrl, 'late', 1)
    expect(refused.body).toMatchObject({ code: 'STORAGE_FULL' })
    const during = await configOf(server.apiUrl)
    expect(during.revision).toBe(before.revision + acknowledged)
    const watch = await TestWatch.open(server.apiUrl)
    expect(await watch.nextOf('snapshot-end')).toMatchObject({ revision: during.revision })
    await rm(join(disk, 'filler'))
    await until(async () => (await putUpstream(server.apiUrl, 'late', 1)).status < 300, 10_000)
    expect(await watch.nextOf('change')).toMatchObject({ revision: during.revision + 1 })
    watch.close()
    expect(ended).toBeNull()
  },
)

test.runIf(mayMount)(
  'a full leader hands over, and a full follower is left behind until it has room',
  async () => {
    const dir = await testDirectory()
    for (const name of ['n1', 'n2', 'n3']) await smallDisk(dir, name)
    const { servers, places } = await found(dir, 3, RESERVE)
    const [first] = servers
    if (first === undefined) throw new Error('no node')
    await putUpstream(first.apiUrl, 'a', 1)
    const { leader } = (await call(first.apiUrl, 'GET /v1/cluster')).body
    const at = places.findIndex(({ name }) => name === leader)
    const other = servers.find((_, i) => i !== at)
    const place = places[at]
    if (other === undefined || place === undefined) throw new Error('no node')
    await fill(place.dataDir)
    await until(async () => {
      const { body } = await call(other.apiUrl, 'GET /v1/cluster')
      return body.leader !== null && body.leader !== leader
    }, 20_000)
    for (let n = 0; n < 20; n++) {
      await until(
        async () => (await putUpstream(other.apiUrl, `b${n}`, n + 1)).status < 300,
        20_000,
      )
    }
    await rm(join(place.dataDir, 'filler'))
    const full = servers[at]
    if (full === undefined) throw new Error('no node')
    await until(async () => (await configOf(full.apiUrl)).names.length === 21, 20_000)
    expect((await configOf(full.apiUrl)).hash).toBe((await configOf(other.apiUrl)).hash)
  },
)

test.runIf(mayMount)('a node starts on a disk that others have filled', async () => {
  const dir = await testDirectory()
  const disk = await smallDisk(dir, 'n1')
  const { servers, places } = await found(dir, 1, RESERVE)
  const [server] = servers
  const [place] = places
  if (server === undefined || place === undefined) throw new Error('no node')
  await until(async () => (await readdir(disk)).includes('ballast'), 10_000)
  await putUpstream(server.apiUrl, 'a', 1)
  await server.stop()
  await fill(disk)
  const again = await startAt(place, RESERVE)
  await until(
    async () => (await call(again.apiUrl, 'GET /v1/config?consistency=stale')).status === 200,
    10_000,
  )
  expect((await putUpstream(again.apiUrl, 'b', 1)).status).toBeGreaterThanOrEqual(500)
  await rm(join(disk, 'filler'))
  await until(async () => (await putUpstream(again.apiUrl, 'b', 1)).status < 300, 20_000)
  await ready(again)
})
