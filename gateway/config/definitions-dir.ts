import { watch, type FSWatcher } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, extname, join, relative } from 'node:path'
import { ConfigHash } from '../../shared/config-hash.ts'
import { parseDefinition, withRevision } from '../../shared/definitions/parse.ts'
import type { Definition } from '../../shared/definitions/kinds.ts'
import { describeError, type Issue } from '../../shared/errors.ts'
import {
  DEFINITION_BYTES_MAX,
  DEFINITIONS_MAX,
  DEFINITIONS_POLL_MS,
  DEFINITIONS_SETTLE_MS,
  ISSUES_MAX,
} from '../../shared/limits.ts'
import type { Logger } from '../../shared/logger.ts'
import { compileTable } from '../../shared/routing/table.ts'
import { keyOf } from './definition-text.ts'

/** Every definition of a directory, whole and compiled once. */
export type DirectoryConfig = {
  /** What `REVISION` says, or how often the directory has changed since the start. */
  readonly revision: number
  readonly hash: string
  readonly texts: readonly string[]
}

const EXTENSIONS = ['.json', '.yaml', '.yml']

/**
 * A directory of definitions as the only source of a config: files that nodes write, or people. Read whole whenever
 * anything in it changes; one bad file and all stays as it was, with every issue in the log.
 */
export class DefinitionsDirectory {
  readonly #path: string
  readonly #logger: Logger
  readonly #onConfig: (config: DirectoryConfig) => void
  #watcher: FSWatcher | null = null
  #poll: NodeJS.Timeout | null = null
  #settle: NodeJS.Timeout | null = null
  #fingerprint = ''
  #loads = 0
  #reading: Promise<void> | null = null
  #isStopped = false

  constructor(path: string, logger: Logger, onConfig: (config: DirectoryConfig) => void) {
    this.#path = path
    this.#logger = logger
    this.#onConfig = onConfig
  }

  /** Reads the directory, and from then on whenever it changes. Resolves when the first reading is done. */
  async start(): Promise<void> {
    await this.#read()
    // Recursive watches miss changes on some systems and network disks: looking now and then misses none.
    this.#poll = setInterval(() => this.#readSoon(), DEFINITIONS_POLL_MS)
    try {
      this.#watcher = watch(this.#path, { recursive: true }, () => this.#readSoon())
      this.#watcher.on('error', () => undefined)
    } catch (error) {
      this.#logger.info({ error: describeError(error) }, 'the directory is looked at every 2 s')
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#watcher?.close()
    if (this.#poll !== null) clearInterval(this.#poll)
    if (this.#settle !== null) clearTimeout(this.#settle)
    await this.#reading
  }

  #readSoon(): void {
    this.#settle ??= setTimeout(() => {
      this.#settle = null
      // #read hears its own failures.
      void this.#read()
    }, DEFINITIONS_SETTLE_MS)
  }

  async #read(): Promise<void> {
    // Two readings at once could finish in the wrong order.
    while (this.#reading !== null) await this.#reading
    this.#reading = this.#readOnce().finally(() => {
      this.#reading = null
    })
    await this.#reading
  }

  async #readOnce(): Promise<void> {
    try {
      const files = await listFiles(this.#path)
      const fingerprint = files.map(({ path, mark }) => `${path} ${mark}`).join('\n')
      if (this.#isStopped || fingerprint === this.#fingerprint) return
      this.#fingerprint = fingerprint
      const loaded = await loadFiles(this.#path, files)
      if (loaded.issues.length > 0) {
        const issues = loaded.issues.slice(0, ISSUES_MAX)
        this.#logger.error({ directory: this.#path, issues }, 'definitions refused; serving on')
        return
      }
      this.#loads += 1
      const revision = (await readRevision(this.#path)) ?? this.#loads
      this.#onConfig({ revision, hash: hashOf(loaded.texts), texts: loaded.texts })
    } catch (error) {
      this.#fingerprint = ''
      const fields = { directory: this.#path, error: describeError(error) }
      this.#logger.error(fields, 'the definitions cannot be read; serving on')
    }
  }
}

function isRevision(path: string): boolean {
  return basename(path) === 'REVISION'
}

type FoundFile = { readonly path: string; readonly mark: string }

async function listFiles(root: string): Promise<readonly FoundFile[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  const paths = entries
    .filter((entry) => entry.isFile() || entry.isSymbolicLink())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => EXTENSIONS.includes(extname(path)) || isRevision(path))
    .toSorted()
  if (paths.length > DEFINITIONS_MAX) {
    throw new RangeError(`more than ${DEFINITIONS_MAX} files (DEFINITIONS_MAX)`)
  }
  const files: FoundFile[] = []
  for (const path of paths) {
    const { mtimeMs, size, ino } = await stat(path)
    files.push({ path, mark: `${mtimeMs} ${size} ${ino}` })
  }
  return files
}

async function loadFiles(
  root: string,
  files: readonly FoundFile[],
): Promise<{ readonly texts: readonly string[]; readonly issues: readonly Issue[] }> {
  const issues: Issue[] = []
  const definitions = new Map<string, Definition>()
  for (const { path } of files) {
    if (isRevision(path)) continue
    const at = relative(root, path)
    const values = await readValues(path, at, issues)
    values.forEach((value, i) => {
      const parsed = parseDefinition(value, values.length === 1 ? at : `${at}#${i}`)
      if (!parsed.ok) {
        issues.push(...parsed.issues)
        return
      }
      const definition = withRevision(parsed.value, numbersOf(value))
      const key = keyOf(definition)
      if (definitions.has(key)) issues.push({ path: at, message: `${key} is there twice` })
      definitions.set(key, definition)
    })
  }
  if (issues.length === 0) {
    const compiled = compileTable(definitions.values())
    if (!compiled.ok) {
      for (const { kind, name, path, message } of compiled.issues) {
        issues.push({ path: `${kind}/${name}.${path}`, message })
      }
    }
  }
  return {
    texts: [...definitions.values()].map((definition) => JSON.stringify(definition)),
    issues,
  }
}

/** The values of one file: one of JSON, or the documents of YAML. */
async function readValues(path: string, at: string, issues: Issue[]): Promise<readonly unknown[]> {
  const { size } = await stat(path)
  if (size > DEFINITION_BYTES_MAX * 2) {
    issues.push({ path: at, message: 'larger than two definitions may be (DEFINITION_BYTES_MAX)' })
    return []
  }
  const text = await readFile(path, 'utf8')
  try {
    if (path.endsWith('.json')) return [JSON.parse(text)]
    const { parseAllDocuments } = await import('yaml')
    return parseAllDocuments(text).map((document) => {
      const [error] = document.errors
      if (error !== undefined) throw error
      return document.toJS() as unknown
    })
  } catch (error) {
    issues.push({ path: at, message: describeError(error) })
    return []
  }
}

/** The numbers that a node gave a definition; files by people have none. */
function numbersOf(value: unknown): {
  readonly revision: number
  readonly createdRevision: number
} {
  // parseDefinition has seen that it is an object.
  const { revision, createdRevision } = value as Readonly<Record<string, unknown>>
  const number = (given: unknown): number =>
    typeof given === 'number' && Number.isSafeInteger(given) && given >= 0 ? given : 0
  return { revision: number(revision), createdRevision: number(createdRevision) }
}

async function readRevision(root: string): Promise<number | null> {
  try {
    const revision = Number((await readFile(join(root, 'REVISION'), 'utf8')).trim())
    return Number.isSafeInteger(revision) && revision >= 0 ? revision : null
  } catch {
    // People's directories have none.
    return null
  }
}

function hashOf(texts: readonly string[]): string {
  const hash = new ConfigHash()
  for (const text of texts) hash.add(text)
  return hash.toHex()
}
