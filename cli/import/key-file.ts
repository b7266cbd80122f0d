import { open, readFile } from 'node:fs/promises'
import { describeError } from '../../shared/errors.ts'
import { UsageError } from '../failures.ts'
import { csvRecords } from './csv.ts'

/** A key that an import has made. */
export type MadeKey = {
  readonly consumer: string
  readonly name: string
  readonly key: string
  readonly createdAt: string
}

const HEAD = ['consumer', 'name', 'key', 'createdAt']

/**
 * The keys that an import has made, in a file that only its owner reads. A key is in the file, and on the disk, before it
 * is written to the cluster: an import that broke off goes on with the same keys, and none is ever lost.
 */
export class KeyFile {
  readonly #path: string
  readonly #keys = new Map<string, MadeKey>()
  /** Bytes of whole lines. */
  #bytes = 0

  private constructor(path: string) {
    this.#path = path
  }

  /** Reads what an earlier attempt has left; no file is an empty one. Throws UsageError for another kind of file. */
  static async open(path: string): Promise<KeyFile> {
    const file = new KeyFile(path)
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return ''
      throw new UsageError(`cannot read ${path}: ${describeError(error)}`)
    })
    // A line that was cut off when a process ended was never used.
    const whole = text.slice(0, text.lastIndexOf('\n') + 1)
    file.#bytes = Buffer.byteLength(whole)
    for (const [at, { cells }] of [...csvRecords(whole)].entries()) {
      const [consumer = '', name = '', key = '', createdAt = ''] = cells
      if (at === 0 && cells.join() !== HEAD.join())
        throw new UsageError(`--out ${path} is a file of something else: name a fresh one`)
      if (at > 0) file.#keys.set(placeOf(consumer, name), { consumer, name, key, createdAt })
    }
    return file
  }

  /** The key that was made for a Consumer under a name. */
  find(consumer: string, name: string): MadeKey | undefined {
    return this.#keys.get(placeOf(consumer, name))
  }

  /** Adds keys, and resolves when they are on the disk. */
  async add(keys: readonly MadeKey[]): Promise<void> {
    if (keys.length === 0) return
    const lines = keys.map(({ consumer, name, key, createdAt }) =>
      [consumer, name, key, createdAt].join(),
    )
    if (this.#bytes === 0) lines.unshift(HEAD.join())
    const text = `${lines.join('\n')}\n`
    const file = await open(this.#path, 'a', 0o600)
    try {
      // A line that was cut off must not run into the next one.
      await file.truncate(this.#bytes)
      await file.appendFile(text)
      await file.sync()
      this.#bytes += Buffer.byteLength(text)
    } finally {
      await file.close()
    }
    for (const key of keys) this.#keys.set(placeOf(key.consumer, key.name), key)
  }
}

function placeOf(consumer: string, name: string): string {
  return `${consumer}/${name}`
}
