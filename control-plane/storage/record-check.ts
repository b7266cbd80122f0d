import type { Disk } from './disk.ts'
import { isStateKey, suffixOf, type KeyRange } from './keys.ts'
import { isWhole } from './seal.ts'
import type { Pace } from './table-check.ts'

/** Every key: they begin with a letter. */
const END = Buffer.of(0xff)

/**
 * Reads every stored record, whatever it belongs to, as fast as `pace` lets it, and says which one is not what was
 * written under its key; null when all are. Nothing is held on to between two pages, so that writes, compactions and
 * snapshots go on as ever.
 */
export async function findDamagedRecord(disk: Disk, pace: Pace): Promise<string | null> {
  let gte = Buffer.of(0)
  for (;;) {
    const page = await firstPage(disk, { gte, lt: END })
    const last = page.at(-1)
    if (last === undefined) return null
    const damaged = page.find(([key, value]) => !isWhole(nameOf(key), value))
    if (damaged !== undefined) return `record ${printable(damaged[0])} in ${disk.path} is damaged`
    await pace(page.reduce((sum, [key, value]) => sum + key.length + value.length, 0))
    gte = Buffer.concat([last[0], Buffer.of(0)])
  }
}

/** What a value is sealed under: records of a state move with it from one generation to another. */
function nameOf(key: Buffer): Buffer {
  return isStateKey(key) ? suffixOf(key) : key
}

async function firstPage(
  disk: Disk,
  range: KeyRange,
): Promise<readonly (readonly [Buffer, Buffer])[]> {
  for await (const page of disk.pages(range)) return page
  return []
}

function printable(key: Buffer): string {
  return JSON.stringify(key.toString('latin1'))
}
