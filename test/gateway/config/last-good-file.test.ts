import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { LastGoodFile, type SavedConfig } from '../../../gateway/config/last-good-file.ts'
import { decodeLastGood } from '../../../gateway/config/last-good-format.ts'
import { ConfigHash } from '../../../shared/config-hash.ts'
import { LAST_GOOD_SMALL_BYTES } from '../../../shared/limits.ts'
import { SILENT } from '../../../shared/logger.ts'

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'raftway-last-good-'))
})

afterEach(async () => {
  await rm(directory, { recursive: true })
})

function textOf(name: string, filling = ''): string {
  return JSON.stringify({ kind: 'Api', name, spec: { filling }, revision: 1, createdRevision: 1 })
}

function configOf(revision: number, ...texts: readonly string[]): SavedConfig {
  const hash = new ConfigHash()
  for (const text of texts) hash.add(text)
  return {
    revision,
    hash: hash.toHex(),
    texts: new Map(
      texts.map((text) => [`Api/${(JSON.parse(text) as { name: string }).name}`, text]),
    ),
    inForce: new Map(),
    refused: new Map(),
  }
}

async function save(...configs: readonly SavedConfig[]): Promise<LastGoodFile> {
  let current: SavedConfig | null = null
  const file = new LastGoodFile(directory, SILENT, () => current)
  for (const config of configs) {
    current = config
    file.changed(null)
    await file.flush()
  }
  return file
}

async function load(): Promise<{
  loaded: (SavedConfig & { readonly isTrusted: boolean; readonly bytes: Uint8Array | null }) | null
  notices: readonly string[]
}> {
  const file = new LastGoodFile(directory, SILENT, () => null)
  const loaded = await file.load()
  const whole = loaded === null ? null : { ...loaded, texts: loaded.readTexts() }
  return { loaded: whole, notices: file.notices }
}

const FIRST = configOf(3, textOf('a'), textOf('b'))
const SECOND = configOf(4, textOf('a', 'ü€😀'), textOf('c'))

test('a config comes back as it was saved', async () => {
  const config = {
    ...SECOND,
    inForce: new Map([['Api/a', textOf('a', 'old')]]),
    refused: new Map([['Api/a', 'too new']]),
  }
  await save(FIRST, config)
  const { loaded, notices } = await load()
  expect(loaded).toMatchObject({ ...config, isTrusted: true })
  expect(Buffer.from(loaded?.bytes ?? []).toString()).toBe(
    `${textOf('a', 'ü€😀')}\n${textOf('c')}\n`,
  )
  expect(notices).toEqual([])
})

test('an empty config comes back too', async () => {
  await save(configOf(0))
  expect((await load()).loaded).toMatchObject({ revision: 0, texts: new Map() })
})

test('nothing saved is nothing loaded, and no damage', async () => {
  expect(await load()).toEqual({ loaded: null, notices: [] })
})

test('the file before the last one is kept', async () => {
  await save(FIRST, SECOND)
  expect((await readdir(directory)).toSorted()).toEqual([
    'last-good.changes',
    'last-good.json',
    'last-good.previous.changes',
    'last-good.previous.json',
  ])
  const previous = decodeLastGood(await readFile(join(directory, 'last-good.previous.json')))
  expect(previous.ok && previous.content.header.revision).toBe(3)
})

test('the very first file has a stand-in as well', async () => {
  await save(FIRST)
  await writeFile(join(directory, 'last-good.json'), 'damage')
  const { loaded } = await load()
  expect(loaded?.revision).toBe(3)
})

test('a file that was cut off anywhere is refused, said so, and the one before it used', async () => {
  await save(FIRST, SECOND)
  const path = join(directory, 'last-good.json')
  const whole = await readFile(path)
  for (let length = 0; length < whole.length; length += 3) {
    await writeFile(path, whole.subarray(0, length))
    const { loaded, notices } = await load()
    expect(loaded?.revision).toBe(3)
    expect(notices).toHaveLength(1)
    expect(notices[0]).toMatch(/^last-good\.json was refused: /)
  }
})

test('a file with any bit flipped is refused', async () => {
  await save(FIRST, SECOND)
  const whole = await readFile(join(directory, 'last-good.json'))
  for (let at = 0; at < whole.length; at++) {
    const damaged = Buffer.from(whole)
    damaged[at] = damaged[at]! ^ (1 << (at % 8))
    expect(decodeLastGood(damaged).ok).toBe(false)
  }
  expect(decodeLastGood(whole).ok).toBe(true)
})

test('bytes behind the end are refused', async () => {
  await save(FIRST)
  const path = join(directory, 'last-good.json')
  const whole = await readFile(path)
  expect(decodeLastGood(Buffer.concat([whole, Buffer.from('x')])).ok).toBe(false)
})

test('with both files damaged nothing is loaded, and both are named', async () => {
  await save(FIRST, SECOND)
  await writeFile(join(directory, 'last-good.json'), 'x')
  await writeFile(join(directory, 'last-good.previous.json'), '{}\n')
  const { loaded, notices } = await load()
  expect(loaded).toBe(null)
  expect(notices.map((notice) => notice.split(' ')[0])).toEqual([
    'last-good.json',
    'last-good.previous.json',
  ])
})

test('a save after damage does not put the damaged file in the place of the good one', async () => {
  await save(FIRST, SECOND)
  await writeFile(join(directory, 'last-good.json'), 'damage')
  let current: SavedConfig = SECOND
  const file = new LastGoodFile(directory, SILENT, () => current)
  await file.load()
  current = configOf(5, textOf('d'))
  file.changed(null)
  await file.flush()
  await writeFile(join(directory, 'last-good.json'), 'damage again')
  expect((await load()).loaded?.revision).toBe(3)
})

test('a file of another version is not trusted', async () => {
  await save(FIRST)
  const path = join(directory, 'last-good.json')
  const text = await readFile(path, 'utf8')
  expect(text).toContain('"version":"')
  const other = text.replace(/"version":"[^"]*"/, '"version":"99.0.0"')
  // Re-sealed as that version would have: the checksum covers the header.
  const { createHash } = await import('node:crypto')
  const [header = '', ...lines] = other.split('\n')
  const blank = header.replace(/"sha256":"[0-9a-f]{64}"/, `"sha256":"${'0'.repeat(64)}"`)
  const sha256 = createHash('sha256')
    .update(`${blank}\n${lines.join('\n')}`)
    .digest('hex')
  await writeFile(path, `${blank.replace('0'.repeat(64), sha256)}\n${lines.join('\n')}`)
  expect((await load()).loaded).toMatchObject({ revision: 3, isTrusted: false })
})

test('a large config is not written anew for each change; changes lie beside it', async () => {
  const filling = 'x'.repeat(10_000)
  const many = Array.from({ length: 120 }, (_, i) => textOf(`n${i}`, filling))
  const large = configOf(10, ...many)
  let current: SavedConfig = large
  const file = new LastGoodFile(directory, SILENT, () => current)
  file.changed(null)
  await file.flush()
  const path = join(directory, 'last-good.json')
  const { ino, size } = await stat(path)
  expect(size).toBeGreaterThan(LAST_GOOD_SMALL_BYTES)

  const next = textOf('n0', 'changed')
  current = configOf(11, next, ...many.slice(2))
  const change = {
    revision: 11,
    hash: current.hash,
    puts: [next],
    deletes: [{ kind: 'Api', name: 'n1' }],
  } as const
  file.changed(change)
  await file.flush()
  expect((await stat(path)).ino).toBe(ino)
  const { loaded, notices } = await load()
  expect(loaded).toMatchObject({ revision: 11, hash: current.hash, bytes: null })
  expect(new Set(loaded?.texts.values())).toEqual(new Set(current.texts.values()))
  expect(notices).toEqual([])

  // A crash in the middle of the next change: what came before it counts.
  const changes = join(directory, 'last-good.changes')
  const whole = await readFile(changes)
  for (let cut = 1; cut < 40; cut += 7) {
    await writeFile(changes, Buffer.concat([whole, whole.subarray(-100, -cut)]))
    const torn = await load()
    expect(torn.loaded?.revision).toBe(11)
    expect(torn.notices[0]).toMatch(/^last-good\.changes is damaged after revision 11/)
  }
  // A flipped bit in a change: the base alone counts.
  const damaged = Buffer.from(whole)
  damaged[damaged.length - 30] = damaged[damaged.length - 30]! ^ 4
  await writeFile(changes, damaged)
  expect((await load()).loaded?.revision).toBe(10)
})

test('many changes in a row are few writes', async () => {
  let reads = 0
  const file = new LastGoodFile(directory, SILENT, () => {
    reads += 1
    return FIRST
  })
  for (let i = 0; i < 100; i++) file.changed(null)
  await file.flush()
  expect(reads).toBe(1)
})

test('a directory that cannot be written is a notice, not the end', async () => {
  await writeFile(join(directory, 'file'), '')
  const file = new LastGoodFile(join(directory, 'file', 'below'), SILENT, () => FIRST)
  file.changed(null)
  await file.flush()
  expect(file.notices[0]).toMatch(/^cannot be saved: /)
})
