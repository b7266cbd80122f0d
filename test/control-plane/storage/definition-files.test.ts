import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { ReplicatedState } from '../../../control-plane/state-machine/state.ts'
import type { AppliedChange, Operation } from '../../../control-plane/ports.ts'
import {
  DefinitionFiles,
  restMs,
  type Followed,
} from '../../../control-plane/storage/definition-files.ts'
import { SILENT, type Logger } from '../../../shared/logger.ts'
import { TestRoom } from '../rooms.ts'
import { api, del, put, upstream, write } from '../state-machine/samples.ts'
import { temporaryDirectory } from './samples.ts'

/** What a node offers to whoever follows it: its state, and word of every change. */
class Plane implements Followed {
  state = new ReplicatedState()
  #index = 0
  readonly #onApplied = new Set<(change: AppliedChange) => void>()
  readonly #onReset = new Set<() => void>()

  onApplied(listener: (change: AppliedChange) => void): () => void {
    this.#onApplied.add(listener)
    return () => this.#onApplied.delete(listener)
  }

  onReset(listener: () => void): () => void {
    this.#onReset.add(listener)
    return () => this.#onReset.delete(listener)
  }

  apply(...operations: readonly Operation[]): void {
    const { change } = this.state.apply(write(operations), ++this.#index)
    if (change === null) throw new Error('was refused')
    for (const listener of this.#onApplied) listener(change)
  }

  reset(state: ReplicatedState): void {
    this.state = state
    for (const listener of this.#onReset) listener()
  }
}

let dir: string
let plane: Plane

beforeEach(async () => {
  dir = join(await temporaryDirectory(), 'definitions')
  plane = new Plane()
})

function follow(logger: Logger = SILENT): DefinitionFiles {
  const files = new DefinitionFiles(dir, logger, new TestRoom())
  files.follow(plane)
  return files
}

/** Every file below the directory with its text. */
async function contents(): Promise<Record<string, string>> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  const texts = await Promise.all(
    files.map(async (entry) => {
      const path = join(entry.parentPath, entry.name)
      return [path.slice(dir.length + 1), await readFile(path, 'utf8')] as const
    }),
  )
  return Object.fromEntries(texts.toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

async function names(): Promise<string[]> {
  return Object.keys(await contents())
}

test('a definition is one readable, canonical file, and REVISION says how far they are', async () => {
  const files = follow()
  plane.apply(put(upstream('u')), put(api('a', 'u', { team: 'pets' })))
  await files.flushed(1)
  expect(await contents()).toEqual({
    REVISION: '1\n',
    'api/a.json': `{
  "createdRevision": 1,
  "kind": "Api",
  "labels": {
    "team": "pets"
  },
  "name": "a",
  "revision": 1,
  "spec": {
    "routes": [
      {
        "path": "/a/"
      }
    ],
    "upstream": "u"
  }
}
`,
    'upstream/u.json': expect.stringContaining('"name": "u"'),
  })
  await files.close()
})

test('files follow: replaced, deleted, made again', async () => {
  const files = follow()
  plane.apply(put(api('a')), put(api('b')))
  await files.flushed(1)
  plane.apply(del('Api', 'a'), put(api('b', null, { v: '2' })))
  await files.flushed(2)
  expect(await names()).toEqual(['REVISION', 'api/b.json'])
  expect((await contents())['api/b.json']).toContain('"v": "2"')
  plane.apply(put(api('a')))
  await files.flushed(3)
  expect(await names()).toEqual(['REVISION', 'api/a.json', 'api/b.json'])
  await files.close()
})

test('many changes of one definition are written as the last of them', async () => {
  const files = follow()
  for (let n = 1; n <= 200; n++) plane.apply(put(api('a', null, { n: `${n}` })))
  await files.flushed(200)
  expect(await contents()).toMatchObject({
    REVISION: '200\n',
    'api/a.json': expect.stringContaining('"200"'),
  })
  await files.close()
})

test('closing writes what is pending, and nothing afterwards', async () => {
  const files = follow()
  plane.apply(put(api('a')))
  await files.close()
  plane.apply(put(api('b')))
  expect(await contents()).toMatchObject({ REVISION: '1\n' })
  expect(await names()).toEqual(['REVISION', 'api/a.json'])
  await files.flushed(2)
})

test('at the start what differs is written, strangers go, and what is identical is not touched', async () => {
  const first = follow()
  plane.apply(put(upstream('u')), put(api('same')), put(api('edited')), put(api('lost')))
  await first.close()
  const untouched = await stat(join(dir, 'api/same.json'))
  await writeFile(join(dir, 'api/edited.json'), 'not what was written')
  await rm(join(dir, 'api/lost.json'))
  await writeFile(join(dir, 'api/stranger.json'), '{}')
  await writeFile(join(dir, 'api/.same.json.tmp'), 'left by a crash')
  await mkdir(join(dir, 'no-kind'))
  await writeFile(join(dir, 'no-kind/gold.json'), '{}')
  await writeFile(join(dir, 'notes.txt'), 'x')
  await mkdir(join(dir, 'api/folder'))
  await mkdir(join(dir, '.git'))
  await writeFile(join(dir, '.git/HEAD'), 'ref')
  const files = follow()
  await files.close()
  expect(await names()).toEqual([
    '.git/HEAD',
    'REVISION',
    'api/edited.json',
    'api/lost.json',
    'api/same.json',
    'upstream/u.json',
  ])
  expect(await readdir(dir)).toEqual(expect.not.arrayContaining(['no-kind', 'notes.txt']))
  expect((await contents())['api/edited.json']).toContain('"name": "edited"')
  const now = await stat(join(dir, 'api/same.json'))
  expect([now.ino, now.mtimeMs]).toEqual([untouched.ino, untouched.mtimeMs])
})

test('a state replaced by a snapshot is shown whole, without what was before', async () => {
  const files = follow()
  plane.apply(put(api('old')), put(api('kept')))
  await files.flushed(1)
  const other = new ReplicatedState()
  for (let n = 1; n <= 5; n++) other.apply(write([put(api('kept')), put(api(`new-${n}`))]), n)
  plane.reset(other)
  await files.flushed(5)
  expect(await names()).toEqual([
    'REVISION',
    'api/kept.json',
    ...[1, 2, 3, 4, 5].map((n) => `api/new-${n}.json`),
  ])
  await files.close()
})

test('two nodes that applied the same hold the same bytes, whatever way they came there', async () => {
  const files = follow()
  plane.apply(put(upstream('u')), put(api('a', 'u')))
  plane.apply(put(api('b')), del('Api', 'a'))
  plane.apply(put(api('a', 'u', { z: '1', a: '2' })))
  await files.close()
  const mine = await contents()
  dir = join(await temporaryDirectory(), 'definitions')
  const other = follow()
  await other.close()
  expect(await contents()).toEqual(mine)
})

test('a disk that fails is reported and tried again, and nothing is lost', async () => {
  const warned = Promise.withResolvers<string>()
  const logger: Logger = { ...SILENT, warn: (_, message) => warned.resolve(message) }
  const files = follow(logger)
  plane.apply(put(api('a')))
  await files.flushed(1)
  // A file where the folder was: nothing can be written below it.
  await rm(join(dir, 'api'), { recursive: true })
  await writeFile(join(dir, 'api'), '')
  plane.apply(put(api('b')))
  expect(await warned.promise).toMatch(/could not be written/)
  plane.apply(del('Api', 'b'), put(api('c')))
  await rm(join(dir, 'api'))
  await files.flushed(3)
  expect(await names()).toEqual(['REVISION', 'api/c.json'])
  await files.close()
})

test('a disk that fails for good does not hold up the end', async () => {
  await writeFile(dir, 'a file where the directory should be')
  const files = follow()
  plane.apply(put(api('a')))
  await files.close()
  await files.flushed(1)
  expect((await stat(dir)).isFile()).toBe(true)
})

test('files rest while changes keep coming, in proportion to what they take, and no longer than they may', () => {
  const rest = (lastedMs: number, nowMs: number, changedMs: number): number =>
    restMs({ endedMs: 0, lastedMs, restMsMin: 250, restMsMax: 120_000 }, { nowMs, changedMs })
  // Cheap rounds follow each other at the shortest pause, whether changes come or not.
  expect(rest(1, 0, -1_000)).toBe(250)
  expect(rest(1, 100, 99)).toBe(150)
  expect(rest(1, 250, 249)).toBe(0)
  // What took 100 ms is followed by ten seconds of rest, as long as changes come.
  expect(rest(100, 250, 250)).toBe(250)
  expect(rest(100, 9_900, 9_900)).toBe(100)
  expect(rest(100, 10_000, 10_000)).toBe(0)
  // Quiet for a moment: it goes on.
  expect(rest(100, 600, 500)).toBe(150)
  expect(rest(100, 750, 500)).toBe(0)
  // However slow the disk is, files come.
  expect(rest(60_000, 119_990, 119_990)).toBe(10)
  expect(rest(60_000, 120_000, 120_000)).toBe(0)
  // A file among others need not rest at all.
  const file = { endedMs: 0, lastedMs: 2, restMsMin: 0, restMsMax: 120 }
  expect(restMs(file, { nowMs: 0, changedMs: 0 })).toBe(120)
  expect(restMs(file, { nowMs: 0, changedMs: -250 })).toBe(0)
})
