import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { LevelDisk } from '../../../control-plane/storage/level-disk.ts'
import { putMeta } from '../../../control-plane/storage/meta.ts'
import { openStoreIn } from '../../../control-plane/storage/open-store.ts'
import { writerOf } from '../../../control-plane/storage/written-by.ts'
import { SILENT } from '../../../shared/logger.ts'
import { VERSION } from '../../../shared/version.ts'
import { bootstrapped, temporaryDirectory } from './samples.ts'

const EVERYTHING = { gte: Buffer.alloc(0), lt: Buffer.of(255) }

async function contents(disk: LevelDisk): Promise<string[]> {
  const items: string[] = []
  for await (const page of disk.pages(EVERYTHING)) {
    for (const [key, value] of page) items.push(`${key.toString('hex')}=${value.toString('hex')}`)
  }
  return items
}

test('a store says who wrote it last', async () => {
  const dir = await temporaryDirectory()
  const store = await bootstrapped(dir)
  await store.close()
  const disk = await LevelDisk.open(join(dir, 'db'))
  expect(await writerOf(disk)).toEqual({ version: VERSION, format: 1 })
  await disk.close()
})

test('a store in a format of a later version is refused before anything in it is touched', async () => {
  const dir = await temporaryDirectory()
  const path = join(dir, 'db')
  await mkdir(path)
  const later = await LevelDisk.open(path)
  const writer = { version: '99.0.0', format: 2 }
  // A generation that this version would take for what a crash left, and delete.
  const staged = { type: 'put', key: Buffer.from('s\0\0\0\x09a'), value: Buffer.from('x') } as const
  await later.write({ sync: true, batch: () => [putMeta('written-by', writer), staged] })
  const before = await contents(later)
  await later.close()

  await expect(openStoreIn(dir, SILENT)).rejects.toMatchObject({
    code: 'VERSION_TOO_OLD',
    message: expect.stringMatching(
      /written by raftway 99\.0\.0 in format 2, this is raftway .*continues from this data/,
    ),
  })
  const after = await LevelDisk.open(path)
  expect(await contents(after)).toEqual(before)
  await after.close()
})
