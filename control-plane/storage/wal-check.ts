import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { RaftwayError } from '../../shared/errors.ts'
import { crc32c } from './crc32c.ts'

// LevelDB drops what it cannot read of its write-ahead log and goes on, which for us would be acknowledged entries
// gone without a word. It offers no way to ask for strictness through its binding, so the logs are checked before it
// sees them. Source of the format: leveldb/doc/log_format.md.
//
//   block of 32768 bytes:  record record … zeros (fewer than a header)
//   record:                masked crc32c of type and data: 4 LE | length: 2 LE | type: 1 | data

const BLOCK_BYTES = 32_768
const HEADER_BYTES = 7
/** FULL, FIRST, MIDDLE, LAST. */
const TYPE_MAX = 4
const CRC_MASK = 0xa282_ead8
/** What a disk writes whole or not at all. */
const SECTOR_BYTES = 512

/**
 * Reads every write-ahead log in a LevelDB directory. A record that a crash cut short at the end is as LevelDB takes
 * it: never acknowledged. Anything else that is damaged throws STORAGE_CORRUPT, with file and offset.
 * A directory that is not there has nothing to check.
 */
export async function checkWriteAheadLogs(path: string): Promise<void> {
  await assertNotHeadless(path)
  for (const file of await writeAheadLogsOf(path)) await checkWriteAheadLog(file)
}

/** Reads one write-ahead log whole, and gives how many bytes it has. STORAGE_CORRUPT as above. */
export async function checkWriteAheadLog(file: string): Promise<number> {
  const log = await readFile(file)
  const offset = findDamage(log)
  if (offset === null) return log.length
  const detail = `${file} is damaged at byte ${offset}: acknowledged log entries may be in what cannot be read`
  throw new RaftwayError('STORAGE_CORRUPT', detail)
}

/** Without CURRENT LevelDB takes the directory for an empty one, begins anew, and deletes what it finds. */
async function assertNotHeadless(path: string): Promise<void> {
  const names = await listFiles(path)
  const isUsed = names.some((name) => /^(MANIFEST-\d+|\d+\.(ldb|sst|log))$/.test(name))
  if (!isUsed || names.includes('CURRENT')) return
  throw new RaftwayError('STORAGE_CORRUPT', `${join(path, 'CURRENT')} is missing`)
}

/** Offset of the first record that is damaged and not merely cut short by a crash; null when there is none. */
export function findDamage(log: Buffer): number | null {
  let at = 0
  while (at + HEADER_BYTES <= log.length) {
    const blockEnd = at - (at % BLOCK_BYTES) + BLOCK_BYTES
    if (blockEnd - at < HEADER_BYTES || isPadding(log, at)) {
      at = blockEnd
      continue
    }
    const end = at + HEADER_BYTES + log.readUInt16LE(at + 4)
    if (end > log.length && blockEnd >= log.length) return hasWrongLength(log, at) ? at : null
    if (end > blockEnd || !isRecord(log, at, end))
      return isTorn(log, at, Math.min(end, blockEnd)) ? null : at
    at = end
  }
  return null
}

/** Types of a record that begins or ends what was cut into several. */
const FULL = 1
const FIRST = 2
const LAST = 4

/** What was written to a log, put together again, up to where a crash cut it short; null when it is damaged. */
export function recordsOf(log: Buffer): readonly Buffer[] | null {
  if (findDamage(log) !== null) return null
  const records: Buffer[] = []
  let pieces: Buffer[] = []
  let at = 0
  while (at + HEADER_BYTES <= log.length) {
    const blockEnd = at - (at % BLOCK_BYTES) + BLOCK_BYTES
    const end = at + HEADER_BYTES + log.readUInt16LE(at + 4)
    if (blockEnd - at < HEADER_BYTES || isPadding(log, at)) {
      at = blockEnd
      continue
    }
    if (end > log.length || end > blockEnd || !isRecord(log, at, end)) break
    const type = log[at + 6]
    if (type === FULL || type === FIRST) pieces = []
    pieces.push(log.subarray(at + HEADER_BYTES, end))
    if (type === FULL || type === LAST) records.push(Buffer.concat(pieces))
    at = end
  }
  return records
}

/** Zeros where a record should begin: room that was made and never filled. */
function isPadding(log: Buffer, at: number): boolean {
  return log.readUInt16LE(at + 4) === 0 && log[at + 6] === 0 && log.readUInt32LE(at) === 0
}

/** Whether the bytes from `at` to `end` are a record by their checksum, which does not cover its length. */
function isRecord(log: Buffer, at: number, end: number): boolean {
  const type = log[at + 6] ?? 0
  if (type === 0 || type > TYPE_MAX) return false
  const crc = crc32c(log.subarray(at + 6, end))
  const masked = (((crc >>> 15) | (crc << 17)) + CRC_MASK) >>> 0
  return masked === log.readUInt32LE(at)
}

/** Whether one flipped bit of its length is all that makes a record look cut short. */
function hasWrongLength(log: Buffer, at: number): boolean {
  const length = log.readUInt16LE(at + 4)
  for (let bit = 0; bit < 16; bit++) {
    const end = at + HEADER_BYTES + (length ^ (1 << bit))
    if (end <= log.length && isRecord(log, at, end)) return true
  }
  return false
}

/** A crash leaves sectors that were never written, and nothing whole after them. */
function isTorn(log: Buffer, at: number, end: number): boolean {
  return hasEmptySector(log, at, end) && !hasRecordAfter(log, end)
}

function hasEmptySector(log: Buffer, at: number, end: number): boolean {
  const first = Math.ceil(at / SECTOR_BYTES) * SECTOR_BYTES
  for (let sector = first; sector < end; sector += SECTOR_BYTES) {
    if (log.subarray(sector, sector + SECTOR_BYTES).every((byte) => byte === 0)) return true
  }
  return false
}

/** Every block begins with a record, so whole ones are found again there. */
function hasRecordAfter(log: Buffer, end: number): boolean {
  for (
    let at = Math.ceil(end / BLOCK_BYTES) * BLOCK_BYTES;
    at + HEADER_BYTES <= log.length;
    at += BLOCK_BYTES
  ) {
    const recordEnd = at + HEADER_BYTES + log.readUInt16LE(at + 4)
    if (recordEnd <= log.length && isRecord(log, at, recordEnd)) return true
  }
  return false
}

/** The write-ahead logs of a LevelDB directory, oldest first; none when it is not there. */
export async function writeAheadLogsOf(path: string): Promise<readonly string[]> {
  const names = (await listFiles(path)).filter((name) => /^[0-9]+\.log$/.test(name)).sort()
  return names.map((name) => join(path, name))
}

async function listFiles(path: string): Promise<string[]> {
  try {
    return await readdir(path)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
}
