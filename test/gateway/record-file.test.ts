// Goal: an access log that is written whole, in order, and never in the way. Method: real files; /dev/full for a disk
// that takes nothing.
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { RecordFile } from '../../gateway/record-file.ts'
import { SILENT } from '../../shared/logger.ts'
import { until } from './support/until.ts'

let directory: string
let path: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'raftway-records-'))
  path = join(directory, 'access.log')
})

afterEach(async () => {
  await rm(directory, { recursive: true })
})

async function opened(bytesMax: number | null = null, kept = 2): Promise<RecordFile> {
  const file = new RecordFile({ path, bytesMax, kept }, SILENT)
  await file.open()
  return file
}

/** Resolves when the lines are written or lost. */
function written(file: RecordFile, lines: string): Promise<void> {
  return new Promise((resolve) => file.write(lines, lines.split('\n').length - 1, resolve))
}

test('batches are appended in order, and a close writes what waits', async () => {
  const file = await opened()
  for (let at = 0; at < 500; at++) file.write(`line ${at}\n`, 1, () => {})
  await file.close()
  const again = await opened()
  await written(again, 'é after\n')
  await again.close()
  const expected = Array.from({ length: 500 }, (_, at) => `line ${at}\n`).join('')
  expect(await readFile(path, 'utf8')).toBe(`${expected}é after\n`)
  expect(((await stat(path)).mode & 0o777).toString(8)).toBe('640')
})

test('a file that would grow too large is renamed, and only so many are kept', async () => {
  const file = await opened(100)
  for (let at = 0; at < 10; at++) await written(file, `${String(at).repeat(39)}\n`)
  await file.close()
  expect((await readdir(directory)).toSorted()).toEqual([
    'access.log',
    'access.log.1',
    'access.log.2',
  ])
  const firsts = async (name: string): Promise<string> =>
    (await readFile(join(directory, name), 'utf8')).replaceAll(/(.)\1*\n/g, '$1')
  expect(await firsts('access.log')).toBe('89')
  expect(await firsts('access.log.1')).toBe('67')
  expect(await firsts('access.log.2')).toBe('45')
})

test('after another program has renamed the file, a new one is begun', async () => {
  const file = await opened()
  await written(file, 'before\n')
  await rename(path, `${path}.moved`)
  await written(file, 'still there\n')
  file.reopen()
  await until('the new file', () => existsSync(path))
  await written(file, 'after\n')
  await file.close()
  expect(await readFile(`${path}.moved`, 'utf8')).toBe('before\nstill there\n')
  expect(await readFile(path, 'utf8')).toBe('after\n')
})

test('what a full disk does not take is counted, and nobody waits for it', async () => {
  const complaints: object[] = []
  const logger = { ...SILENT, error: (fields: object) => void complaints.push(fields) }
  const file = new RecordFile({ path: '/dev/full', bytesMax: null, kept: 1 }, logger)
  await file.open()
  await Promise.all([written(file, 'a\nb\n'), written(file, 'c\n')])
  await written(file, 'd\n')
  expect(file.dropped).toBe(4)
  expect(complaints.length).toBe(1)
  await file.close()
})

test('a file that cannot be opened is said at once', async () => {
  const file = new RecordFile(
    { path: join(directory, 'no', 'x.log'), bytesMax: null, kept: 1 },
    SILENT,
  )
  await expect(file.open()).rejects.toThrow(/ENOENT/)
})
