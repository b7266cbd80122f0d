import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { copyFile, mkdir, open, readFile, rename, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { describeError } from '../../shared/errors.ts'
import {
  LAST_GOOD_CHANGES_BYTES_MAX,
  LAST_GOOD_SAVE_MS,
  LAST_GOOD_SMALL_BYTES,
} from '../../shared/limits.ts'
import type { Logger } from '../../shared/logger.ts'
import { VERSION } from '../../shared/version.ts'
import { keyOf, nameOfText } from './definition-text.ts'
import {
  changesHeader,
  decodeChanges,
  decodeLastGood,
  encodeChange,
  headerLine,
  linesOf,
  withChecksum,
  type LastGoodChange,
} from './last-good-format.ts'

/** What a gateway serves, as far as a restart needs it. */
export type SavedConfig = {
  readonly revision: number
  readonly hash: string
  /** Key → text, as the control plane has it. */
  readonly texts: ReadonlyMap<string, string>
  /** Key → text of the last good form, of what cannot be used as it is. */
  readonly inForce: ReadonlyMap<string, string>
  /** Key → why this version's schemas refuse it. */
  readonly refused: ReadonlyMap<string, string>
}

export type LoadedConfig = Omit<SavedConfig, 'texts'> & {
  /** Written by this version: its definitions, but for `refused`, have passed these schemas. */
  readonly isTrusted: boolean
  /** The definitions as they lie in the file, one a line, if they are the whole config; else null. */
  readonly bytes: Uint8Array | null
  /** Takes the definitions apart: a good part of a start with many, so that others can begin before it. */
  readTexts(): ReadonlyMap<string, string>
}

const WRITE_BYTES = 256 * 1024
/** A step with more is a new config rather than a change of the old one. */
const PUTS_PER_CHANGE_MAX = 1_000

/**
 * The config on disk, from which a gateway starts without a control plane. Saved some time after each swap, never in
 * the way of anything: whole when it is small, else as a change beside it. The file before it is kept, for the day on
 * which this one turns out damaged.
 *
 *   last-good.json            last-good.changes            what is loaded first
 *   last-good.previous.json   last-good.previous.changes   what is loaded if that is damaged
 */
export class LastGoodFile {
  readonly #directory: string
  readonly #logger: Logger
  /** The config as it stands, asked for when a save begins. */
  readonly #current: () => SavedConfig | null
  readonly #notices: string[] = []
  #waiting: LastGoodChange[] = []
  #mustRewrite = true
  /** `last-good.json` is there and cannot be read. */
  #isDamaged = false
  #baseBytes = 0
  #changesBytes = 0
  #timer: NodeJS.Timeout | null = null
  /** When the last save began. */
  #beganMs = -LAST_GOOD_SAVE_MS
  #saving: Promise<void> | null = null

  constructor(directory: string, logger: Logger, current: () => SavedConfig | null) {
    this.#directory = directory
    this.#logger = logger
    this.#current = current
  }

  /** What was wrong with the files, for people. */
  get notices(): readonly string[] {
    return this.#notices
  }

  /** The newest config that is whole, or null when there is none. Damage is logged and kept in `notices`. */
  async load(): Promise<LoadedConfig | null> {
    for (const name of ['last-good', 'last-good.previous']) {
      const loaded = await this.#loadOne(name)
      if (loaded !== null) return loaded
    }
    return null
  }

  /**
   * The config moved: it is saved at once, or, within LAST_GOOD_SAVE_MS of the last save, when they are over. Null
   * stands for more than one step can say.
   */
  changed(change: LastGoodChange | null): void {
    if (change === null || change.puts.length > PUTS_PER_CHANGE_MAX) this.#mustRewrite = true
    else if (!this.#mustRewrite) this.#waiting.push(change)
    const sinceMs = performance.now() - this.#beganMs
    this.#timer ??= setTimeout(() => this.#save(), Math.max(0, LAST_GOOD_SAVE_MS - sinceMs))
  }

  /** Saves what is not yet saved. */
  async flush(): Promise<void> {
    while (this.#timer !== null || this.#saving !== null) {
      if (this.#saving === null) this.#save()
      await this.#saving
    }
  }

  #save(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    if (this.#saving !== null) {
      // The save under way took an older config: this one comes after it.
      this.#timer = setTimeout(() => this.#save(), LAST_GOOD_SAVE_MS)
      return
    }
    this.#beganMs = performance.now()
    this.#saving = this.#write().then(
      () => this.#saved(null),
      (error: unknown) => this.#saved(error),
    )
  }

  #saved(error: unknown): void {
    this.#saving = null
    if (error === null) return
    // Traffic goes on; the next change tries again, with the whole config.
    this.#mustRewrite = true
    const notice = `cannot be saved: ${describeError(error)}`
    this.#note(notice)
    this.#logger.error({ directory: this.#directory, error: describeError(error) }, notice)
  }

  async #write(): Promise<void> {
    await mkdir(this.#directory, { recursive: true })
    // From here to the next wait everything is of one moment: the config goes on changing meanwhile.
    const config = this.#current()
    if (config === null) return
    const changes = this.#waiting
    this.#waiting = []
    const isSmall = this.#baseBytes <= LAST_GOOD_SMALL_BYTES
    const isFull = this.#changesBytes > Math.max(LAST_GOOD_CHANGES_BYTES_MAX, this.#baseBytes / 4)
    if (this.#mustRewrite || isSmall || isFull) {
      this.#mustRewrite = false
      await this.#rewrite(config)
      return
    }
    const text = changes.map(encodeChange).join('')
    const file = await open(this.#path('last-good.changes'), 'a')
    try {
      await file.appendFile(text)
      await file.datasync()
    } finally {
      await file.close()
    }
    this.#changesBytes += Buffer.byteLength(text)
  }

  async #rewrite(config: SavedConfig): Promise<void> {
    const temporary = this.#path('last-good.temporary')
    const texts = [...config.texts.values(), ...config.inForce.values()]
    const header = headerLine({
      version: VERSION,
      revision: config.revision,
      hash: config.hash,
      count: config.texts.size,
      inForce: config.inForce.size,
      refused: [...config.refused],
    })
    const file = await open(temporary, 'w')
    let sha256: string
    try {
      const written = await writeTexts(file, header, texts)
      sha256 = written.sha256
      await file.write(Buffer.from(withChecksum(header, sha256)), { position: 0 })
      await file.sync()
      this.#baseBytes = written.bytes
    } finally {
      await file.close()
    }
    await this.#replace(temporary, sha256)
    this.#changesBytes = 0
  }

  /** Every moment of it leaves one whole pair of files, if there was one before. */
  async #replace(temporary: string, sha256: string): Promise<void> {
    const path = (name: string): string => this.#path(name)
    // A damaged file must not take the place of the one that stood in for it.
    if (!this.#isDamaged) {
      await moveIfThere(path('last-good.changes'), path('last-good.previous.changes'))
      await moveIfThere(path('last-good.json'), path('last-good.previous.json'))
    }
    this.#isDamaged = false
    await rename(temporary, path('last-good.json'))
    const changes = await open(path('last-good.changes'), 'w')
    try {
      await changes.writeFile(changesHeader(sha256))
      await changes.datasync()
    } finally {
      await changes.close()
    }
    // The first save of all has no file before it: then it stands in for that one too.
    await copyFile(
      path('last-good.json'),
      path('last-good.previous.json'),
      constants.COPYFILE_EXCL,
    ).catch((error: unknown) => {
      if (!isCode(error, 'EEXIST')) throw error
    })
    await syncDirectory(this.#directory)
  }

  async #loadOne(name: string): Promise<LoadedConfig | null> {
    const file = await readIfThere(this.#path(`${name}.json`))
    if (file === null) return null
    const decoded = decodeLastGood(file)
    if (!decoded.ok) {
      this.#note(`${name}.json was refused: ${decoded.reason}`)
      if (name === 'last-good') this.#isDamaged = true
      return null
    }
    const { header, definitions, inForce } = decoded.content
    const beside = await readIfThere(this.#path(`${name}.changes`))
    const { changes, isWhole } = decodeChanges(beside?.toString('utf8') ?? '', header.sha256)
    if (!isWhole) {
      const last = changes.at(-1)?.revision ?? header.revision
      this.#note(`${name}.changes is damaged after revision ${last}; what is before it is used`)
    }
    const last = changes.at(-1) ?? header
    if (name === 'last-good' && isWhole && header.version === VERSION) {
      this.#mustRewrite = beside === null
      this.#baseBytes = file.length
      this.#changesBytes = beside?.length ?? 0
    }
    return {
      revision: last.revision,
      hash: last.hash,
      inForce: new Map(linesOf(inForce).map((text) => [keyOfText(text), text])),
      refused: new Map(header.refused),
      isTrusted: header.version === VERSION,
      bytes: changes.length === 0 ? definitions : null,
      readTexts: () => mergedTexts(linesOf(definitions), changes),
    }
  }

  #note(notice: string): void {
    if (this.#notices.at(-1) === notice) return
    if (this.#notices.length >= NOTICES_MAX) this.#notices.shift()
    this.#notices.push(notice)
    this.#logger.warn({ directory: this.#directory }, `last-good file: ${notice}`)
  }

  #path(name: string): string {
    return join(this.#directory, name)
  }
}

/** Notices kept for `/status`; the oldest goes first. */
const NOTICES_MAX = 16

/** Writes the header and the lines, a piece at a time so that the process can do other things in between. */
async function writeTexts(
  file: FileHandle,
  header: string,
  texts: readonly string[],
): Promise<{ readonly sha256: string; readonly bytes: number }> {
  const sum = createHash('sha256').update(header)
  let bytes = Buffer.byteLength(header)
  await file.appendFile(header)
  let piece = ''
  for (let at = 0; at < texts.length; at++) {
    piece += `${texts[at] ?? ''}\n`
    if (piece.length < WRITE_BYTES && at < texts.length - 1) continue
    sum.update(piece)
    bytes += Buffer.byteLength(piece)
    await file.appendFile(piece)
    piece = ''
    await nextTurn()
  }
  return { sha256: sum.digest('hex'), bytes }
}

function mergedTexts(
  texts: readonly string[],
  changes: readonly LastGoodChange[],
): ReadonlyMap<string, string> {
  const byKey = new Map<string, string>()
  for (const text of texts) byKey.set(keyOfText(text), text)
  for (const change of changes) {
    for (const text of change.puts) byKey.set(keyOfText(text), text)
    for (const deleted of change.deletes) byKey.delete(keyOf(deleted))
  }
  return byKey
}

function keyOfText(text: string): string {
  const name = nameOfText(text)
  // The checksum matched, so it is what a mirror held.
  return name === null ? text : keyOf(name)
}

async function readIfThere(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path)
  } catch (error) {
    if (isCode(error, 'ENOENT')) return null
    throw error
  }
}

async function moveIfThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to)
  } catch (error) {
    if (!isCode(error, 'ENOENT')) throw error
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, constants.O_RDONLY)
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
