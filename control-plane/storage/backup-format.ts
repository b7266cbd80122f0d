import { createHash, type Hash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { z } from 'zod'
import { RaftwayError } from '../../shared/errors.ts'
import { SNAPSHOT_CHUNK_BYTES } from '../../shared/limits.ts'

// A backup: one snapshot of the replicated state in one file.
//
//   file:    magic: 16 | block …
//   block:   type: 1 | bytes of the payload: 4 | crc32 of type, length and payload: 4 | payload
//   blocks:  H header, JSON | S chunk of a snapshot, as snapshot-stream.ts has it … | F footer, JSON, the last
//
// Each block is checked as it is read, so that damage is found where it is; the footer covers every byte before it, so
// that a file which was cut at a block is found out as well.

const MAGIC = Buffer.from('raftway backup\r\n')
const HEAD_BYTES = 9
const BLOCK = { header: 0x48, chunk: 0x53, footer: 0x46 } as const
/** Larger than any block: a damaged length is not waited for. */
const BLOCK_BYTES_MAX = SNAPSHOT_CHUNK_BYTES + 64 * 1024
const FORMAT_VERSION = 1

const headerSchema = z.object({
  format: z.int(),
  /** The cluster that it was taken from. */
  clusterId: z.string(),
  /** Name of the node that cut it. */
  node: z.string(),
  revision: z.int().min(0),
  /** Config hash at `revision`. */
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  /** Log entry up to which it holds everything. */
  index: z.int().min(0),
  term: z.int().min(0),
  /** History begins after this revision. */
  compactedRevision: z.int().min(0),
  /** ISO 8601, by the clock of the node. */
  createdAt: z.iso.datetime(),
  /** Version of Raftway that wrote it. */
  version: z.string(),
  /** Definitions by kind. */
  definitions: z.record(z.string(), z.int().min(0)),
})

const footerSchema = z.object({
  /** Blocks before this one. */
  blocks: z.int(),
  /** SHA-256 of every byte before the block of the footer: 64 hex digits. */
  sha256: z.string(),
})

/** What a backup says of itself before its contents. */
export type BackupHeader = z.infer<typeof headerSchema>

/** Encodes a backup around the chunks of a snapshot. Pulled by whoever sends it. */
export async function* encodeBackup(
  header: Omit<BackupHeader, 'format'>,
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const sum = createHash('sha256')
  let blocks = 0
  const counted = (piece: Buffer): Buffer => {
    sum.update(piece)
    return piece
  }
  yield counted(MAGIC)
  yield counted(blockOf(BLOCK.header, json({ format: FORMAT_VERSION, ...header })))
  blocks++
  for await (const chunk of chunks) {
    yield counted(blockOf(BLOCK.chunk, chunk))
    blocks++
  }
  yield blockOf(BLOCK.footer, json({ blocks, sha256: sum.digest('hex') }))
}

function blockOf(type: number, payload: Uint8Array): Buffer {
  const block = Buffer.allocUnsafe(HEAD_BYTES + payload.length)
  block[0] = type
  block.writeUInt32BE(payload.length, 1)
  block.writeUInt32BE(crc32(payload, crc32(block.subarray(0, 5))), 5)
  block.set(payload, HEAD_BYTES)
  return block
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}

/** Reads what `encodeBackup` made, piece by piece. Throws BACKUP_DAMAGED with the offset of what is wrong. */
export class BackupDecoder {
  readonly #sum: Hash = createHash('sha256')
  #pieces: Buffer[] = []
  #bytes = 0
  /** Bytes that what comes next needs to be whole. */
  #needed = MAGIC.length
  /** Offset in the file of what is not read yet. */
  #offset = 0
  #blocks = 0
  #header: BackupHeader | null = null
  #isBegun = false
  #isComplete = false

  /** Null until it was read. */
  get header(): BackupHeader | null {
    return this.#header
  }

  /** Takes the next bytes of the file, and returns the chunks of the snapshot that are whole now. */
  push(piece: Uint8Array): readonly Buffer[] {
    if (this.#isComplete && piece.length > 0) throw this.#damaged('goes on after its end')
    this.#pieces.push(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength))
    this.#bytes += piece.length
    return this.#bytes < this.#needed ? [] : this.#parse()
  }

  /** The file ended: the whole of it was there and right. */
  finish(): BackupHeader {
    if (this.#header === null || !this.#isComplete) {
      const at = this.#offset + this.#bytes
      throw new RaftwayError('BACKUP_DAMAGED', `the backup is cut off at byte ${at}`)
    }
    return this.#header
  }

  #parse(): readonly Buffer[] {
    let rest = Buffer.concat(this.#pieces)
    const chunks: Buffer[] = []
    for (;;) {
      this.#needed = this.#neededOf(rest)
      if (rest.length < this.#needed) break
      const part = rest.subarray(0, this.#needed)
      if (this.#isBegun) this.#block(part, chunks)
      else this.#begin(part)
      rest = rest.subarray(part.length)
      this.#offset += part.length
      if (this.#isComplete && rest.length > 0) throw this.#damaged('goes on after its end')
      if (this.#isComplete) break
    }
    this.#pieces = rest.length === 0 ? [] : [rest]
    this.#bytes = rest.length
    return chunks
  }

  #neededOf(rest: Buffer): number {
    if (!this.#isBegun) return MAGIC.length
    if (rest.length < HEAD_BYTES) return HEAD_BYTES
    const bytes = rest.readUInt32BE(1)
    if (bytes > BLOCK_BYTES_MAX) throw this.#damaged('has a block that is too large')
    return HEAD_BYTES + bytes
  }

  #begin(magic: Buffer): void {
    if (!magic.equals(MAGIC)) throw this.#damaged('does not begin as a backup does')
    this.#sum.update(magic)
    this.#isBegun = true
  }

  #block(block: Buffer, chunks: Buffer[]): void {
    const payload = block.subarray(HEAD_BYTES)
    if (crc32(payload, crc32(block.subarray(0, 5))) !== block.readUInt32BE(5)) {
      throw this.#damaged('has a block whose checksum does not match')
    }
    const type = block[0]
    if (type === BLOCK.footer) return this.#checkFooter(payload)
    this.#sum.update(block)
    this.#blocks++
    if (type === BLOCK.header && this.#header === null) this.#readHeader(payload)
    else if (type === BLOCK.chunk && this.#header !== null) chunks.push(payload)
    else throw this.#damaged('has a block where none of its type belongs')
  }

  #readHeader(payload: Buffer): void {
    const value: unknown = this.#json(payload)
    const format = z.object({ format: z.int() }).safeParse(value).data?.format
    if (format !== undefined && format !== FORMAT_VERSION) {
      const detail = `the backup has format ${format}, this version of raftway reads ${FORMAT_VERSION}: use the version that wrote it, or a later one`
      throw new RaftwayError('BACKUP_DAMAGED', detail)
    }
    const header = headerSchema.safeParse(value)
    if (!header.success) throw this.#damaged('has a header that is not understood')
    this.#header = header.data
  }

  #checkFooter(payload: Buffer): void {
    const footer = footerSchema.safeParse(this.#json(payload))
    if (!footer.success) throw this.#damaged('has a footer that is not understood')
    const { blocks, sha256 } = footer.data
    if (blocks !== this.#blocks || sha256 !== this.#sum.digest('hex')) {
      throw this.#damaged('has a footer that does not fit what is before it')
    }
    this.#isComplete = true
  }

  #json(payload: Buffer): unknown {
    try {
      return JSON.parse(payload.toString())
    } catch (error) {
      throw this.#damaged('has a block that is no JSON', error)
    }
  }

  #damaged(how: string, cause?: unknown): RaftwayError {
    return new RaftwayError('BACKUP_DAMAGED', `the backup ${how} (at byte ${this.#offset})`, {
      cause,
    })
  }
}
