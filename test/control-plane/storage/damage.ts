import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Level } from 'level'

const ENCODINGS = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const

/** Every key of a closed database. */
export async function storedKeys(path: string): Promise<Buffer[]> {
  const db = new Level<Buffer, Buffer>(path, ENCODINGS)
  const keys = await db.keys(ENCODINGS).all()
  await db.close()
  return keys
}

/** Flips one bit of a stored value, as a disk would: what LevelDB checks itself stays right. Bit 0 is the first. */
export async function flipStoredBit(path: string, key: Buffer, bit: number): Promise<void> {
  const db = new Level<Buffer, Buffer>(path, ENCODINGS)
  const value = Buffer.from((await db.get(key, ENCODINGS)) ?? [])
  const at = Math.floor(bit / 8) % value.length
  value[at] = (value[at] ?? 0) ^ (1 << (bit % 8))
  await db.put(key, value, ENCODINGS)
  await db.close()
}

/** Flips one bit of a file of a closed database. */
export async function flipFileBit(file: string, offset: number, bit: number): Promise<void> {
  const handle = await open(file, 'r+')
  try {
    const byte = Buffer.alloc(1)
    await handle.read(byte, 0, 1, offset)
    byte[0] = (byte[0] ?? 0) ^ (1 << bit)
    await handle.write(byte, 0, 1, offset)
  } finally {
    await handle.close()
  }
}

/** Files of a closed database whose names match. */
export async function filesOf(path: string, name: RegExp): Promise<string[]> {
  return (await readdir(path)).filter((each) => name.test(each)).map((each) => join(path, each))
}
