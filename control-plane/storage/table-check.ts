import { open, readdir, readFile, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { RaftwayError } from '../../shared/errors.ts'
import { crc32c } from './crc32c.ts'
import { liveTables } from './manifest.ts'
import { readVarint, unsnappy } from './snappy.ts'

// LevelDB reads its tables without looking at their checksums, and a block that makes no sense ends the whole process by
// an assertion. Its binding offers no way to ask for more, so the tables are checked before it sees them.
// Source of the format: leveldb/doc/table_format.md.
//
//   table:  block … | footer: handle of the metaindex, handle of the index, padding to 40, magic: 8
//   block:  contents | type: 1 (0 plain, 1 Snappy) | masked crc32c of both: 4 LE
//   handle: varint offset | varint bytes of the contents

const FOOTER_BYTES = 48
const TRAILER_BYTES = 5
const MAGIC = 0xdb47_7524_8b80_fb57n
const CRC_MASK = 0xa282_ead8
const BLOCK_BYTES_MAX = 64 * 1024 * 1024

type Handle = { readonly offset: number; readonly bytes: number }

/** Waits as long as it takes for so many bytes to have been read slowly enough. */
export type Pace = (bytes: number) => Promise<void>

/**
 * Reads every table that the database in a directory refers to. STORAGE_CORRUPT with file and offset when a block is
 * damaged or a table is gone. About 300 MB/s.
 */
export async function checkTables(path: string): Promise<void> {
  for (const file of await tablesOf(path)) await checkTable(file, null)
}

/** The tables that the database in a directory refers to now. STORAGE_CORRUPT when what says so is damaged. */
export async function tablesOf(path: string): Promise<readonly string[]> {
  const names = await readdir(path)
  if (!names.includes('CURRENT')) return []
  const manifest = (await readFile(join(path, 'CURRENT'), 'utf8')).trim()
  if (!names.includes(manifest)) throw damaged(join(path, 'CURRENT'), 0)
  const tables = liveTables(await readFile(join(path, manifest)))
  if (tables === null) throw damaged(join(path, manifest), 0)
  return [...tables].map((number) => {
    const digits = String(number).padStart(6, '0')
    const name = [`${digits}.ldb`, `${digits}.sst`].find((each) => names.includes(each))
    if (name === undefined) throw damaged(join(path, `${digits}.ldb`), 0)
    return join(path, name)
  })
}

/** Reads one table, as fast as `pace` lets it. STORAGE_CORRUPT with the offset of the first damaged block. */
export async function checkTable(path: string, pace: Pace | null): Promise<void> {
  const file = await open(path, 'r')
  try {
    const offset = await findTableDamage(file, pace)
    if (offset !== null) throw damaged(path, offset)
  } finally {
    await file.close()
  }
}

function damaged(file: string, offset: number): RaftwayError {
  return new RaftwayError('STORAGE_CORRUPT', `${file} is damaged at byte ${offset}`)
}

/** Offset of the first block that is not what was written; null when the table is whole. */
async function findTableDamage(file: FileHandle, pace: Pace | null): Promise<number | null> {
  const { size } = await file.stat()
  if (size < FOOTER_BYTES) return 0
  const at = size - FOOTER_BYTES
  const footer = await readAt(file, at, FOOTER_BYTES)
  if (footer.readBigUInt64LE(FOOTER_BYTES - 8) !== MAGIC) return at
  const meta = readHandle(footer, 0)
  const index = meta === null ? null : readHandle(footer, meta.end)
  if (meta === null || index === null) return at
  for (const list of [meta.handle, index.handle]) {
    const contents = await readBlock(file, list, at)
    const handles = contents === null ? null : handlesIn(contents)
    if (handles === null) return list.offset
    for (const handle of handles) {
      if ((await readBlock(file, handle, at)) === null) return handle.offset
      if (pace !== null) await pace(handle.bytes)
    }
  }
  return null
}

/** The contents of a block as they were before compression; null when it is damaged. */
async function readBlock(file: FileHandle, handle: Handle, end: number): Promise<Buffer | null> {
  const { offset, bytes } = handle
  if (bytes > BLOCK_BYTES_MAX || offset + bytes + TRAILER_BYTES > end) return null
  const block = await readAt(file, offset, bytes + TRAILER_BYTES)
  const crc = crc32c(block.subarray(0, bytes + 1))
  const masked = (((crc >>> 15) | (crc << 17)) + CRC_MASK) >>> 0
  if (block.length < bytes + TRAILER_BYTES || masked !== block.readUInt32LE(bytes + 1)) return null
  const contents = block.subarray(0, bytes)
  if (block[bytes] === 0) return contents
  return block[bytes] === 1 ? unsnappy(contents) : null
}

/** The handles that a block of handles lists; null when it makes no sense. */
function handlesIn(contents: Buffer): readonly Handle[] | null {
  if (contents.length < 4) return null
  const restarts = contents.readUInt32LE(contents.length - 4)
  const end = contents.length - 4 * (restarts + 1)
  const handles: Handle[] = []
  let at = 0
  while (at < end) {
    const shared = readVarint(contents, at)
    const own = shared === null ? null : readVarint(contents, shared.end)
    const value = own === null ? null : readVarint(contents, own.end)
    if (own === null || value === null) return null
    const found = readHandle(contents, value.end + own.value)
    if (found === null) return null
    handles.push(found.handle)
    at = value.end + own.value + value.value
  }
  return at === end ? handles : null
}

function readHandle(
  bytes: Buffer,
  start: number,
): { readonly handle: Handle; readonly end: number } | null {
  const offset = readVarint(bytes, start)
  const size = offset === null ? null : readVarint(bytes, offset.end)
  if (offset === null || size === null) return null
  return { handle: { offset: offset.value, bytes: size.value }, end: size.end }
}

async function readAt(file: FileHandle, offset: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(bytes)
  const { bytesRead } = await file.read(buffer, 0, bytes, offset)
  return buffer.subarray(0, bytesRead)
}
