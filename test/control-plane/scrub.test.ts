// Goal: damage at rest is found while a node runs, told, and healed. Method: whole nodes that read what they have
// stored without pause, and bits flipped under them.
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Server } from '../../control-plane/main.ts'
import { call, until } from '../conformance/api-client.ts'
import { configOf, found, putUpstream, ready, startAt, testDirectory } from './servers.ts'
import { filesOf, flipFileBit } from './storage/damage.ts'

const EAGER = { scrubBytesPerSecond: 64 * 1024 * 1024, scrubRestMs: 100 }

async function metric(server: Server, name: string): Promise<number> {
  const { text } = await call(server.apiUrl, 'GET /metrics')
  return Number(new RegExp(`^raftway_${name} (\\d+)$`, 'm').exec(text)?.[1] ?? Number.NaN)
}

/** A pass that began after now has ended. */
async function scrubbed(server: Server): Promise<void> {
  const passes = await metric(server, 'scrub_passes')
  await until(async () => (await metric(server, 'scrub_passes')) > passes + 1, 20_000)
}

async function flipInMiddle(file: string): Promise<void> {
  await flipFileBit(file, Math.floor((await stat(file)).size / 2), 3)
}

test('a table damaged under a running member: it ends, and comes back as another one with everything', async () => {
  const { servers, places } = await found(await testDirectory(), 3)
  const [first, second] = servers
  const place = places[2]
  if (!first || !second || !place) throw new Error('no node')
  for (let n = 0; n < 20; n++) await putUpstream(first.apiUrl, `u${n}`, n + 1)
  const idOf = async (): Promise<number> => {
    const { body } = await call(first.apiUrl, 'GET /v1/cluster')
    return body.members.find(({ name }: { name: string }) => name === place.name)?.id
  }
  const before = await idOf()
  // A start writes what the log held into a table.
  await servers[2]?.stop()
  const server = await startAt(place, EAGER)
  await ready(server)
  const db = join(place.dataDir, 'db')
  await scrubbed(server)
  expect(await metric(server, 'scrub_damages')).toBe(0)
  for (const table of await filesOf(db, /\.ldb$/)) await flipInMiddle(table)
  await expect(server.ended).resolves.toMatchObject({ code: 'STORAGE_CORRUPT' })
  // The others take writes while it is away.
  await server.stop()
  await putUpstream(first.apiUrl, 'meanwhile', 1)
  const back = await startAt(place)
  await ready(back)
  await until(async () => {
    const { body } = await call(first.apiUrl, 'GET /v1/cluster')
    const own = body.members.find(({ name }: { name: string }) => name === place.name)
    return own?.role === 'voter' && own.id !== before
  }, 20_000)
  expect(await configOf(back.apiUrl)).toEqual(await configOf(second.apiUrl))
})

test('what memory still holds is written again: the log of the database, and the files of definitions', async () => {
  const { servers, places } = await found(await testDirectory(), 1, EAGER)
  const [server] = servers
  const [place] = places
  if (!server || !place) throw new Error('no node')
  for (let n = 0; n < 20; n++) await putUpstream(server.apiUrl, `u${n}`, n + 1)
  const db = join(place.dataDir, 'db')
  const [log = ''] = await filesOf(db, /\.log$/)
  await flipInMiddle(log)
  await until(async () => (await metric(server, 'scrub_damages')) === 1, 20_000)
  await until(async () => (await metric(server, 'scrub_damaged')) === 0, 20_000)
  expect(await filesOf(db, /\.log$/)).not.toContain(log)
  const file = join(place.dataDir, 'definitions', 'upstream', 'u7.json')
  const shown = join(place.dataDir, 'definitions', 'REVISION')
  await until(async () => (await readFile(shown, 'utf8')) === '20\n')
  const text = await readFile(file, 'utf8')
  await flipFileBit(file, 30, 0)
  await until(async () => (await metric(server, 'scrub_damages')) === 2, 20_000)
  await until(async () => (await readFile(file, 'utf8')) === text, 20_000)
  await until(async () => (await metric(server, 'scrub_damaged')) === 0, 20_000)
  // Nothing is missing at the next start.
  await server.stop()
  const again = await startAt(place)
  await ready(again)
  expect((await configOf(again.apiUrl)).names).toHaveLength(20)
})

test('a node that has nobody to learn from goes on with a damaged table, and says so', async () => {
  const { servers, places } = await found(await testDirectory(), 1, EAGER)
  const [first] = servers
  const [place] = places
  if (!first || !place) throw new Error('no node')
  for (let n = 0; n < 20; n++) await putUpstream(first.apiUrl, `u${n}`, n + 1)
  await first.stop()
  const server = await startAt(place, EAGER)
  await ready(server)
  for (const table of await filesOf(join(place.dataDir, 'db'), /\.ldb$/)) await flipInMiddle(table)
  await until(async () => (await metric(server, 'scrub_damaged')) === 1, 20_000)
  await scrubbed(server)
  expect((await putUpstream(server.apiUrl, 'after', 1)).status).toBe(201)
  expect((await configOf(server.apiUrl)).names).toHaveLength(21)
  expect(await Promise.race([server.ended, Promise.resolve('goes on')])).toBe('goes on')
})
