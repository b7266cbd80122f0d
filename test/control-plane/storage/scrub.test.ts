// Goal: damage is found under a database that is open, nothing else is taken for damage, and reading is slow. Method:
// bits are flipped in the files and records of an open store; time is the test's.
import { stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { damagedLog, damagedTable } from '../../../control-plane/storage/at-rest.ts'
import { findStrayFile } from '../../../control-plane/storage/definition-check.ts'
import {
  compareDirectory,
  writeFiles,
  writeRevision,
} from '../../../control-plane/storage/definition-directory.ts'
import { LevelDisk } from '../../../control-plane/storage/level-disk.ts'
import { putMeta } from '../../../control-plane/storage/meta.ts'
import { findDamagedRecord } from '../../../control-plane/storage/record-check.ts'
import { Scrub } from '../../../control-plane/storage/scrub.ts'
import { SYSTEM_CLOCK } from '../../../control-plane/system-clock.ts'
import { parseDefinition } from '../../../shared/definitions/parse.ts'
import { SILENT } from '../../../shared/logger.ts'
import { ManualClock } from '../manual-clock.ts'
import { filesOf, flipFileBit } from './damage.ts'
import { bootstrapped, entriesBetween, openStore, temporaryDirectory } from './samples.ts'

const AT_ONCE = () => Promise.resolve()

test('a flipped bit in a table of an open database is found, in the middle or at the end', async () => {
  const dir = await temporaryDirectory()
  const store = await bootstrapped(dir)
  await store.persist({ entries: entriesBetween(2, 500), hardState: null })
  await store.beginNewLog()
  const db = join(dir, 'db')
  expect(await damagedTable(db, AT_ONCE, SYSTEM_CLOCK)).toBeNull()
  const [table = ''] = await filesOf(db, /\.ldb$/)
  const { size } = await stat(table)
  for (const offset of [10, Math.floor(size / 2), size - 4]) {
    await flipFileBit(table, offset, 4)
    expect(await damagedTable(db, AT_ONCE, SYSTEM_CLOCK)).toMatch(/\d+\.ldb is damaged at byte \d+/)
    await flipFileBit(table, offset, 4)
  }
  expect(await damagedTable(db, AT_ONCE, SYSTEM_CLOCK)).toBeNull()
})

test('a flipped bit in the write-ahead log of an open database is found, and made good from memory', async () => {
  const dir = await temporaryDirectory()
  const store = await bootstrapped(dir)
  await store.persist({ entries: entriesBetween(2, 500), hardState: null })
  const db = join(dir, 'db')
  expect(await damagedLog(db, AT_ONCE, SYSTEM_CLOCK)).toBeNull()
  const [log = ''] = await filesOf(db, /\.log$/)
  await flipFileBit(log, Math.floor((await stat(log)).size / 2), 1)
  expect(await damagedLog(db, AT_ONCE, SYSTEM_CLOCK)).toMatch(/\d+\.log is damaged at byte \d+/)
  await store.beginNewLog()
  expect(await damagedLog(db, AT_ONCE, SYSTEM_CLOCK)).toBeNull()
  expect(await damagedTable(db, AT_ONCE, SYSTEM_CLOCK)).toBeNull()
  await store.close()
  // Nothing of it is missing.
  const reopened = await openStore(dir)
  expect(reopened.log.lastIndex()).toBe(500)
})

test('a record that is not what was written under its key is named, wherever it lies', async () => {
  const disk = await LevelDisk.open(await temporaryDirectory())
  onTestFinished(() => disk.close())
  // Several pages of them.
  const writes = Array.from({ length: 2_500 }, (_, at) => putMeta(`n${at}`, at))
  await disk.write({ sync: false, batch: () => writes })
  let bytes = 0
  const counting = (read: number): Promise<void> => {
    bytes += read
    return Promise.resolve()
  }
  expect(await findDamagedRecord(disk, counting)).toBeNull()
  expect(bytes).toBeGreaterThan(2_500 * 10)
  for (const name of ['n0', 'n1700', 'n999']) {
    const sound = putMeta(name, 'x')
    if (sound.type !== 'put') throw new Error('no value')
    const value = Buffer.from(sound.value)
    value[value.length - 1] = (value.at(-1) ?? 0) ^ 1
    await disk.write({ sync: false, batch: () => [{ ...sound, value }] })
    expect(await findDamagedRecord(disk, AT_ONCE)).toContain(`"m${name}"`)
    await disk.write({ sync: false, batch: () => [sound] })
  }
  expect(await findDamagedRecord(disk, AT_ONCE)).toBeNull()
})

test('a database that is written to, compacted and begun anew all the time is not taken for damaged', async () => {
  const dir = await temporaryDirectory()
  const store = await bootstrapped(dir)
  const db = join(dir, 'db')
  const work = { isOver: false }
  const writing = (async () => {
    for (let at = 0; at < 40; at++) {
      await store.persist({ entries: entriesBetween(2 + 50 * at, 51 + 50 * at), hardState: null })
      if (at % 4 === 3) await store.beginNewLog()
    }
    work.isOver = true
  })()
  const found: (string | null)[] = []
  let looks = 0
  for (; !work.isOver; looks++) {
    found.push(await damagedTable(db, AT_ONCE, SYSTEM_CLOCK))
    found.push(await damagedLog(db, AT_ONCE, SYSTEM_CLOCK))
    found.push(await store.damagedRecord(AT_ONCE))
  }
  await writing
  expect(found.filter((each) => each !== null)).toEqual([])
  expect(looks).toBeGreaterThan(1)
})

test('files of definitions are asked for what they say that they show, and for nothing newer', async () => {
  const dir = await temporaryDirectory()
  const spec = { targets: [{ url: 'http://127.0.0.1:9' }] }
  const whole = ['a', 'b', 'newer'].map((name, at) => {
    const parsed = parseDefinition({ kind: 'Upstream', name, spec })
    if (!parsed.ok) throw new Error('not a definition')
    return { ...parsed.value, revision: at + 1, createdRevision: 1 }
  })
  const state = {
    list: () => whole,
    get: (_: string, name: string) => whole.find((each) => each.name === name),
  }
  await writeFiles(dir, await compareDirectory(dir, whole.slice(0, 2)), AT_ONCE)
  expect(await findStrayFile(dir, state, AT_ONCE)).toBeNull()
  await writeRevision(dir, 2)
  expect(await findStrayFile(dir, state, AT_ONCE)).toBeNull()
  await flipFileBit(join(dir, 'upstream', 'b.json'), 20, 0)
  expect(await findStrayFile(dir, state, AT_ONCE)).toContain('b.json')
  await writeFiles(dir, await compareDirectory(dir, whole.slice(0, 2)), AT_ONCE)
  await writeFile(join(dir, 'upstream', 'a.json'), '')
  expect(await findStrayFile(dir, state, AT_ONCE)).toContain('a.json')
})

test('a pass reads no faster than it may, rests, and tells what it found until it is gone', async () => {
  const clock = new ManualClock()
  let damage: string | null = null
  const healed: string[] = []
  const scrub = new Scrub({
    checks: [
      {
        what: 'thing',
        async find(pace) {
          for (let piece = 0; piece < 100; piece++) await pace(64 * 1024)
          return damage
        },
        heal(detail) {
          healed.push(detail)
          return Promise.resolve()
        },
      },
    ],
    bytesPerSecond: 1024 * 1024,
    restMs: 10_000,
    clock,
    logger: SILENT,
  })
  const pass = async (ms: number): Promise<void> => {
    for (let past = 0; past < ms; past += 50) {
      clock.pass(50)
      await new Promise(setImmediate)
    }
  }
  await pass(9_950)
  expect(scrub.report.bytes).toBe(0)
  // 6.25 MiB take 6.25 s, less the last piece.
  await pass(3_050)
  expect(scrub.report.bytes).toBeGreaterThan(2 * 1024 * 1024)
  expect(scrub.report.bytes).toBeLessThanOrEqual(3.3 * 1024 * 1024)
  await pass(4_000)
  expect(scrub.report).toEqual({ bytes: 6_553_600, passes: 1, damages: 0, isDamaged: false })
  damage = 'one bit'
  await pass(17_000)
  expect(scrub.report).toMatchObject({ passes: 2, damages: 1, isDamaged: true })
  expect(healed).toEqual(['one bit'])
  damage = null
  await pass(17_000)
  expect(scrub.report).toMatchObject({ passes: 3, damages: 1, isDamaged: false })
  await scrub.stop()
  expect(clock.pending).toBe(0)
})
