import { readVarint } from './snappy.ts'
import { recordsOf } from './wal-check.ts'

// What LevelDB's MANIFEST says: a log of changes to the set of tables. Source: leveldb/doc/impl.md, db/version_edit.cc.

const TAG = {
  comparator: 1,
  logNumber: 2,
  nextFile: 3,
  lastSequence: 4,
  compactPointer: 5,
  deletedFile: 6,
  newFile: 7,
  previousLogNumber: 9,
} as const

/** Numbers of the tables in force; null when a record makes no sense. A record that a crash cut short does not count. */
export function liveTables(manifest: Buffer): ReadonlySet<number> | null {
  const live = new Set<number>()
  const records = recordsOf(manifest)
  if (records === null) return null
  for (const record of records) if (!applyEdit(record, live)) return null
  return live
}

function applyEdit(record: Buffer, live: Set<number>): boolean {
  const reader = new EditReader(record)
  while (reader.isOpen) {
    switch (reader.number()) {
      case TAG.comparator:
        reader.skipText()
        break
      case TAG.logNumber:
      case TAG.nextFile:
      case TAG.lastSequence:
      case TAG.previousLogNumber:
        reader.number()
        break
      case TAG.compactPointer:
        reader.number()
        reader.skipText()
        break
      case TAG.deletedFile:
        reader.number()
        live.delete(reader.number())
        break
      case TAG.newFile:
        reader.number()
        live.add(reader.number())
        reader.number()
        reader.skipText()
        reader.skipText()
        break
      default:
        return false
    }
  }
  return !reader.isBroken
}

class EditReader {
  readonly #bytes: Buffer
  #at = 0
  isBroken = false

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get isOpen(): boolean {
    return !this.isBroken && this.#at < this.#bytes.length
  }

  number(): number {
    const read = readVarint(this.#bytes, this.#at)
    if (read === null) this.isBroken = true
    else this.#at = read.end
    return read?.value ?? 0
  }

  skipText(): void {
    const bytes = this.number()
    this.#at += bytes
    if (this.#at > this.#bytes.length) this.isBroken = true
  }
}
