// Goal: a node whose stored data is damaged never votes or acknowledges from what is left of it, and comes back by
// itself when there is somebody to learn from. Method: whole nodes, bits flipped in what they stored.
import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Server } from '../../control-plane/main.ts'
import { call, until } from '../conformance/api-client.ts'
import {
  configOf,
  found,
  putUpstream,
  ready,
  startAt,
  testDirectory,
  type Started,
} from './servers.ts'
import { filesOf, flipFileBit, flipStoredBit, storedKeys } from './storage/damage.ts'

type Member = { name: string; role: string; id: number }

async function membersOf(server: Server): Promise<Member[]> {
  return (await call(server.apiUrl, 'GET /v1/cluster')).body.members
}

/** Three nodes with `count` acknowledged writes, and which of them lead and follow. */
async function running(dir: string, count: number): Promise<Started & { follower: number }> {
  const started = await found(dir, 3)
  const [first] = started.servers
  if (first === undefined) throw new Error('no node')
  for (let n = 0; n < count; n++) await putUpstream(first.apiUrl, `u${n}`, n + 1)
  const { leader } = (await call(first.apiUrl, 'GET /v1/cluster')).body
  return { ...started, follower: started.places.findIndex(({ name }) => name !== leader) }
}

async function healed(
  started: Started & { follower: number },
  damage: (db: string) => Promise<void>,
) {
  const { servers, places, follower } = started
  const server = servers[follower]
  const place = places[follower]
  const other = servers.find((_, at) => at !== follower)
  if (server === undefined || place === undefined || other === undefined) throw new Error('no node')
  const idOf = (members: Member[]) => members.find(({ name }) => name === place.name)?.id
  const before = await membersOf(other)
  await server.stop()
  await damage(join(place.dataDir, 'db'))
  // The others go on meanwhile.
  const { body } = await putUpstream(other.apiUrl, 'meanwhile', 1)
  const back = await startAt(place)
  await back.formed
  await ready(back)
  await until(async () => {
    const member = (await membersOf(other)).find(({ name }) => name === place.name)
    return member?.role === 'voter' && member.id !== idOf(before)
  }, 20_000)
  const after = await membersOf(other)
  expect(after.map(({ name }) => name)).toEqual(before.map(({ name }) => name))
  expect(await configOf(back.apiUrl)).toEqual(await configOf(other.apiUrl))
  expect((await configOf(back.apiUrl)).revision).toBe(body.revision)
  return { back, place, kept: await readdir(place.dataDir) }
}

test('a log damaged in its middle: the node is replaced, serves under its name, and nothing is lost', async () => {
  const started = await running(await testDirectory(), 30)
  const { back, place, kept } = await healed(started, async (db) => {
    const keys = (await storedKeys(db)).filter((key) => key[0] === 0x6c)
    await flipStoredBit(db, keys[Math.floor(keys.length / 2)] ?? Buffer.alloc(0), 77)
  })
  // What was damaged is kept for whoever wants to look at it.
  expect(kept).toContain('db.corrupt-1')
  // Its new self is an ordinary member: it starts again without any of this.
  await back.stop()
  const again = await startAt(place)
  await ready(again)
  expect((await readdir(place.dataDir)).filter((name) => name.startsWith('db.'))).toEqual([
    'db.corrupt-1',
  ])
})

test('a damaged state is healed the same way', async () => {
  const started = await running(await testDirectory(), 10)
  const { kept } = await healed(started, async (db) => {
    const keys = (await storedKeys(db)).filter((key) => key[0] === 0x73 && key[5] === 0x64)
    await flipStoredBit(db, keys[0] ?? Buffer.alloc(0), 200)
  })
  expect(kept).toContain('db.corrupt-1')
})

test('so is a flipped bit in the middle of the write-ahead log', async () => {
  const started = await running(await testDirectory(), 30)
  const { kept } = await healed(started, async (db) => {
    for (const file of await filesOf(db, /\.log$/)) {
      await flipFileBit(file, Math.floor((await stat(file)).size / 2), 3)
    }
  })
  expect(kept).toContain('db.corrupt-1')
})

test('a leader that finds its data damaged comes back the same way', async () => {
  const started = await running(await testDirectory(), 10)
  const leader = [0, 1, 2].find((at) => at !== started.follower) ?? 0
  const { kept } = await healed({ ...started, follower: leader }, async (db) => {
    await rm(join(db, 'CURRENT'))
  })
  expect(kept).toContain('db.corrupt-1')
})

test('a node that has nobody to learn from stops, says why, and leaves everything as it is', async () => {
  const dir = await testDirectory()
  const { servers, places } = await found(dir, 1)
  const [server] = servers
  const [place] = places
  if (server === undefined || place === undefined) throw new Error('no node')
  await putUpstream(server.apiUrl, 'u', 1)
  await server.stop()
  const db = join(place.dataDir, 'db')
  const keys = (await storedKeys(db)).filter((key) => key[0] === 0x6c)
  await flipStoredBit(db, keys[0] ?? Buffer.alloc(0), 50)
  await expect(startAt(place)).rejects.toMatchObject({ code: 'STORAGE_CORRUPT' })
  await expect(startAt(place)).rejects.toThrow(/restore a backup/)
  expect(await readdir(place.dataDir)).not.toContain('db.corrupt-1')
  // Nor does it begin anew, as if nothing had been there, when its database is gone.
  await rm(db, { recursive: true })
  await expect(startAt(place)).rejects.toThrow(/its database is gone.*restore a backup/)
})

test('without a majority of the others nothing is replaced: the node waits, and is taken in when they are there', async () => {
  const started = await running(await testDirectory(), 10)
  const { servers, places, follower } = started
  const [one, two] = [0, 1, 2].filter((at) => at !== follower)
  const place = places[follower]
  const stays = servers[one ?? 0]
  const goes = servers[two ?? 0]
  const goesPlace = places[two ?? 0]
  if (!place || !stays || !goes || !goesPlace) throw new Error('no node')
  await servers[follower]?.stop()
  await goes.stop()
  const db = join(place.dataDir, 'db')
  const keys = (await storedKeys(db)).filter((key) => key[0] === 0x6c)
  await flipStoredBit(db, keys[0] ?? Buffer.alloc(0), 50)
  const back = await startAt(place)
  let isFormed = false
  void back.formed.then(() => (isFormed = true))
  // An election timeout and more: with it as a voter there would be a leader by now.
  await new Promise((resolve) => setTimeout(resolve, 3_000))
  expect(isFormed).toBe(false)
  expect((await call(stays.apiUrl, 'GET /readyz')).status).toBe(503)
  const again = await startAt(goesPlace)
  await ready(again)
  await ready(back)
  expect((await configOf(back.apiUrl)).names).toHaveLength(10)
})
