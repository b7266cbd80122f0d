import { hash } from 'node:crypto'
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { describeError } from '../../shared/errors.ts'
import type { Logger } from '../../shared/logger.ts'
import type { UsageReport } from '../../shared/usage-protocol.ts'

/**
 * Reports of usage that were not answered yet, on disk: one line with the SHA-256 of the rest, one with the reports. What is
 * damaged counts for nothing, and is said in the log.
 */
export class UsageFile {
  readonly #path: string
  readonly #logger: Logger
  /** Writes follow each other. */
  #tail: Promise<void> = Promise.resolve()
  #isThere = true

  constructor(path: string, logger: Logger) {
    this.#path = path
    this.#logger = logger
  }

  async read(): Promise<readonly UsageReport[]> {
    const text = await readFile(this.#path, 'utf8').catch(() => null)
    if (text === null) {
      this.#isThere = false
      return []
    }
    const [sum = '', json = ''] = text.split('\n')
    if (sum === hash('sha256', json)) return JSON.parse(json) as readonly UsageReport[]
    this.#logger.error({ path: this.#path }, 'usage that was not told yet is damaged, and lost')
    return []
  }

  /** Replaces all of it. Never rejects: a failure is logged. */
  write(reports: readonly UsageReport[]): Promise<void> {
    if (reports.length === 0) return this.clear()
    const json = JSON.stringify(reports)
    return this.#after(async () => {
      await mkdir(dirname(this.#path), { recursive: true })
      const temporary = `${this.#path}.temporary`
      const file = await open(temporary, 'w')
      try {
        await file.writeFile(`${hash('sha256', json)}\n${json}\n`)
        await file.datasync()
      } finally {
        await file.close()
      }
      await rename(temporary, this.#path)
      this.#isThere = true
    })
  }

  /** Everything is told. */
  clear(): Promise<void> {
    return this.#after(async () => {
      if (!this.#isThere) return
      await rm(this.#path, { force: true })
      this.#isThere = false
    })
  }

  #after(work: () => Promise<void>): Promise<void> {
    this.#tail = this.#tail.then(work).catch((error: unknown) => {
      this.#logger.error({ path: this.#path, reason: describeError(error) }, 'usage is not kept')
    })
    return this.#tail
  }
}
