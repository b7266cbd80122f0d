import { open, readdir, readFile, rm, stat, truncate, appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Random } from '../../../shared/random.ts'

// LevelDB's write-ahead log: blocks of 32 KiB, records of 7 bytes of head (checksum 4, length 2 LE, type 1) and data.
const BLOCK_BYTES = 32_768
const HEAD_BYTES = 7

/** Whether there is something in the newest log: a node that was just started, or whose log was just full, has a new one. */
export async function hasWrittenLately(dataDir: string): Promise<boolean> {
  const { size } = await stat(await writeAheadLog(dataDir))
  return size > HEAD_BYTES
}

/** Turns one bit of what a node has written lately; the node must be down. */
export async function flipBit(dataDir: string, random: Random): Promise<void> {
  const path = await writeAheadLog(dataDir)
  const { size } = await stat(path)
  if (size < HEAD_BYTES) throw new Error(`${path} has nothing to damage`)
  // The last bytes of a block may be padding, which means nothing.
  const at = Math.min(random.below(size), size - 1)
  const place = at % BLOCK_BYTES < BLOCK_BYTES - HEAD_BYTES ? at : at - HEAD_BYTES
  const file = await open(path, 'r+')
  try {
    const byte = Buffer.alloc(1)
    await file.read(byte, 0, 1, place)
    byte.writeUInt8(byte.readUInt8() ^ (1 << random.below(8)))
    await file.write(byte, 0, 1, place)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Leaves the beginning of one more record at the end, as a crash does in the middle of a write. */
export async function tearTail(dataDir: string, random: Random): Promise<void> {
  const path = await writeAheadLog(dataDir)
  const log = await readFile(path)
  const length = HEAD_BYTES + (log.length < HEAD_BYTES ? 0 : log.readUInt16LE(4))
  const room = BLOCK_BYTES - (log.length % BLOCK_BYTES)
  const torn = Math.min(1 + random.below(length - 1), room - 1)
  await appendFile(path, log.subarray(0, torn))
}

/** Cuts off the last `share` (0 to 1) of what a node has written lately. */
export async function cutTail(dataDir: string, share: number): Promise<void> {
  const path = await writeAheadLog(dataDir)
  const { size } = await stat(path)
  await truncate(path, Math.floor(size * (1 - share)))
}

/** Everything in a directory is gone; the directory stays, because it may be a mount. */
export async function emptyDirectory(path: string): Promise<void> {
  for (const name of await readdir(path)) {
    await rm(join(path, name), { recursive: true, force: true })
  }
}

/** The newest log of the node's database. */
async function writeAheadLog(dataDir: string): Promise<string> {
  const db = join(dataDir, 'db')
  const logs = (await readdir(db)).filter((name) => /^[0-9]+\.log$/.test(name)).sort()
  const newest = logs.at(-1)
  if (newest === undefined) throw new Error(`${db} has no log`)
  return join(db, newest)
}
