// Goal: what is compacted gives its room back to the disk, at once and not some day. Method: the size of the files.
import { randomBytes } from 'node:crypto'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { put, upstream, write } from '../state-machine/samples.ts'
import { Applying, bootstrapped, temporaryDirectory } from './samples.ts'

async function bytesOf(dir: string): Promise<number> {
  const names = await readdir(join(dir, 'db'))
  const sizes = await Promise.all(
    names.map(async (name) => (await stat(join(dir, 'db', name))).size),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}

test('history that is compacted leaves the disk, and what is left of it can be read', async () => {
  const dir = await temporaryDirectory()
  const store = await bootstrapped(dir)
  const applying = new Applying(store)
  const rounds = 150
  for (let n = 0; n < rounds; n++) {
    // Bytes that do not compress, in a few definitions that are written over and over.
    const labels = { noise: randomBytes(45).toString('base64url') }
    const puts = Array.from({ length: 50 }, (_, i) => put({ ...upstream(`u${i}`), labels }))
    await applying.apply(write(puts))
  }
  await store.compactLog(rounds)
  expect(await store.past.historyBytes()).toBeGreaterThan(0)
  const before = await bytesOf(dir)
  await store.compactHistory(rounds - 10)
  const after = await bytesOf(dir)
  expect({ before, isSmaller: after < before / 2, after }).toMatchObject({ isSmaller: true })
  const kept = await store.past.history({ after: rounds - 10, upTo: rounds, limit: 99 })
  expect(kept.map(({ changes }) => changes.length)).toEqual(Array.from({ length: 10 }, () => 50))
})
