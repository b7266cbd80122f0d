import fs from 'node:fs'
import { mkdir, open, readdir, readFile, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { readableJson } from '../../shared/canonical-json.ts'
import { KIND_NAMES, type Definition } from '../../shared/definitions/kinds.ts'

/** What is to become of files, by path below the directory; null: the file goes. */
export type FileChanges = Map<string, Definition | null>

/** Files handled at the same time: each holds one of the few threads that the log's syncs need as well. */
const CONCURRENCY = 2
/** Says which revision the files show. */
export const REVISION_FILE = 'REVISION'
const TEMPORARY = /^\..*\.tmp$/
const FOLDERS = KIND_NAMES.map(folderOf)

/** Where a definition's file is, below the directory: `api/petstore.json`. */
export function pathOf({ kind, name }: Pick<Definition, 'kind' | 'name'>): string {
  return join(folderOf(kind), `${name}.json`)
}

/** The exact text of a definition's file. Equal on all nodes. */
export function fileText(definition: Definition): string {
  return readableJson(definition)
}

/**
 * What must change so that the directory shows exactly `definitions`; makes the folders. Names that begin with a dot
 * are somebody else's, such as `.git`, but for temporary files that a crash left.
 */
export async function compareDirectory(
  dir: string,
  definitions: readonly Definition[],
): Promise<FileChanges> {
  const changes: FileChanges = new Map()
  const wanted = new Map(definitions.map((definition) => [pathOf(definition), definition]))
  for (const path of await listFiles(dir)) if (!wanted.has(path)) changes.set(path, null)
  await inParallel(wanted, async ([path, definition]) => {
    if ((await readIfThere(join(dir, path))) !== fileText(definition)) changes.set(path, definition)
  })
  return changes
}

/**
 * Writes, replaces and removes files, each whole or not at all, and makes that durable. After each it waits for
 * `rest`, which is told how long the file took.
 */
export async function writeFiles(
  dir: string,
  changes: FileChanges,
  rest: (tookMs: number) => Promise<void>,
): Promise<void> {
  const folders = new Set<string>()
  for (const path of changes.keys()) folders.add(join(dir, dirname(path)))
  for (const folder of folders) await mkdir(folder, { recursive: true })
  await inParallel(changes, async ([path, definition]) => {
    const beganMs = performance.now()
    if (definition === null) await rm(join(dir, path), { recursive: true, force: true })
    else await replaceFile(join(dir, path), fileText(definition))
    await rest(performance.now() - beganMs)
  })
  for (const folder of folders) await syncFolder(folder)
}

/** Says which revision the files show. Last, when they do. */
export async function writeRevision(dir: string, revision: number): Promise<void> {
  await mkdir(dir, { recursive: true })
  const path = join(dir, REVISION_FILE)
  const text = `${revision}\n`
  if ((await readIfThere(path)) === text) return
  await replaceFile(path, text)
  await syncFolder(dir)
}

/** Everything that is ours to keep or remove, below the folders of kinds and beside them. */
async function listFiles(dir: string): Promise<readonly string[]> {
  const paths: string[] = []
  await mkdir(dir, { recursive: true })
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    if (isOurs(entry.name) && !(entry.isDirectory() && FOLDERS.includes(entry.name)))
      paths.push(entry.name)
  }
  // What stands in the place of a folder goes at once: nothing can be written below it.
  for (const path of paths.splice(0)) {
    if (path !== REVISION_FILE) await rm(join(dir, path), { recursive: true, force: true })
  }
  for (const folder of FOLDERS) {
    await mkdir(join(dir, folder), { recursive: true })
    for (const name of await readdir(join(dir, folder)))
      if (isOurs(name)) paths.push(join(folder, name))
  }
  return paths
}

function isOurs(name: string): boolean {
  return !name.startsWith('.') || TEMPORARY.test(name)
}

function folderOf(kind: string): string {
  return kind.toLowerCase()
}

/** The text of a file; null when there is none. */
export async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null
    if (code === 'ENOENT' || code === 'EISDIR') return null
    throw error
  }
}

/**
 * Writes a file beside the one that it then takes the place of. By callbacks: what `fs.promises` does around each of
 * these calls takes more than half a millisecond a file.
 */
async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.tmp`)
  const fd = await opened(temporary)
  try {
    await written(fd, Buffer.from(text))
    await done((callback) => fs.fdatasync(fd, callback))
  } finally {
    await done((callback) => fs.close(fd, callback))
  }
  await done((callback) => fs.rename(temporary, path, callback))
}

function opened(path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.open(path, 'w', (error, fd) => (error === null ? resolve(fd) : reject(error)))
  })
}

async function written(fd: number, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    at += await new Promise<number>((resolve, reject) => {
      fs.write(fd, bytes, at, (error, count) => (error === null ? resolve(count) : reject(error)))
    })
  }
}

function done(call: (callback: (error: Error | null | undefined) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    call((error) => (error === null || error === undefined ? resolve() : reject(error)))
  })
}

/** A rename lasts when its folder is synced. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** The first failure ends it, when what is under way has ended too. */
async function inParallel<T>(items: Iterable<T>, work: (item: T) => Promise<void>): Promise<void> {
  const iterator = items[Symbol.iterator]()
  const lane = async () => {
    for (let next = iterator.next(); next.done !== true; next = iterator.next())
      await work(next.value)
  }
  const lanes = await Promise.allSettled(Array.from({ length: CONCURRENCY }, lane))
  for (const result of lanes) if (result.status === 'rejected') throw result.reason
}
