import { crc32 } from 'node:zlib'
import { RaftwayError } from '../../shared/errors.ts'
import { SNAPSHOT_RECORD_BYTES_MAX } from '../../shared/limits.ts'
import { VERSION } from '../../shared/version.ts'
import type { SnapshotMeta } from '../raft/messages.ts'

// A snapshot on the wire is a stream of records, cut into chunks wherever one is full:
//
//   chunk:  crc32 of the rest: 4 | piece of the stream
//   stream: header | state record … | end
//   record: bytes of name: 4 | bytes of value: 4 | name | value
//
// State records are stored ones, name and sealed value, so that each is under a checksum of its own from disk to disk.

export type SnapshotRecord = { readonly name: Buffer; readonly value: Buffer }

const FORMAT_VERSION = 1
const CRC_BYTES = 4
const LENGTHS_BYTES = 8
/** Names that no state record has. */
const HEADER = Buffer.from('H')
const END = Buffer.from('E')

type Header = {
  readonly version: number
  readonly index: number
  readonly term: number
  /** Version of the program that cut it, for people. */
  readonly by?: string
}
type End = { readonly records: number; readonly crc: number }

/** Encodes a snapshot. Pulled by whoever sends it, so that nothing is read faster than it is sent. */
export async function* encodeSnapshot(
  meta: SnapshotMeta,
  records: AsyncIterable<readonly SnapshotRecord[]>,
  chunkBytes: number,
): AsyncGenerator<Uint8Array> {
  const cutter = new ChunkCutter(chunkBytes)
  const header: Header = {
    version: FORMAT_VERSION,
    index: meta.index,
    term: meta.term,
    by: VERSION,
  }
  cutter.add({ name: HEADER, value: Buffer.from(JSON.stringify(header)) })
  let count = 0
  for await (const page of records) {
    for (const record of page) {
      cutter.add(record)
      count++
      yield* cutter.takeFull()
    }
  }
  const end: End = { records: count, crc: cutter.crcOfAll() }
  cutter.add({ name: END, value: Buffer.from(JSON.stringify(end)) })
  yield* cutter.takeFull()
  const last = cutter.takeRest()
  if (last !== null) yield last
}

class ChunkCutter {
  /** Bytes of a full chunk, without its checksum. */
  readonly #room: number
  #pieces: Buffer[] = []
  #bytes = 0
  /** Checksum of what was taken. */
  #crc = 0

  constructor(chunkBytes: number) {
    this.#room = chunkBytes - CRC_BYTES
  }

  add({ name, value }: SnapshotRecord): void {
    const lengths = Buffer.allocUnsafe(LENGTHS_BYTES)
    lengths.writeUInt32BE(name.length, 0)
    lengths.writeUInt32BE(value.length, 4)
    this.#pieces.push(lengths, name, value)
    this.#bytes += LENGTHS_BYTES + name.length + value.length
  }

  /** Checksum of everything added. */
  crcOfAll(): number {
    return crc32(Buffer.concat(this.#pieces), this.#crc)
  }

  *takeFull(): Generator<Uint8Array> {
    const room = this.#room
    if (this.#bytes < room) return
    const all = Buffer.concat(this.#pieces)
    const taken = all.length - (all.length % room)
    this.#crc = crc32(all.subarray(0, taken), this.#crc)
    this.#pieces = [all.subarray(taken)]
    this.#bytes = all.length - taken
    for (let at = 0; at < taken; at += room) yield chunkOf(all.subarray(at, at + room))
  }

  takeRest(): Uint8Array | null {
    return this.#bytes === 0 ? null : chunkOf(Buffer.concat(this.#pieces))
  }
}

function chunkOf(piece: Buffer): Uint8Array {
  const chunk = Buffer.allocUnsafe(CRC_BYTES + piece.length)
  chunk.writeUInt32BE(crc32(piece), 0)
  chunk.set(piece, CRC_BYTES)
  return chunk
}

/** Decodes what `encodeSnapshot` made. Throws STORAGE_CORRUPT on damage, and on what belongs to another snapshot;
 * VERSION_TOO_OLD on a format of a later version. */
export class SnapshotDecoder {
  readonly #meta: Pick<SnapshotMeta, 'index' | 'term'>
  #pieces: Buffer[] = []
  #bytes = 0
  /** Bytes that the next record needs to be whole; nothing is put together before. */
  #needed = LENGTHS_BYTES
  #records = 0
  #crc = 0
  #hasHeader = false
  #isComplete = false

  constructor(meta: Pick<SnapshotMeta, 'index' | 'term'>) {
    this.#meta = meta
  }

  /** Whether the end came, and everything before it was there. */
  get isComplete(): boolean {
    return this.#isComplete
  }

  /** Takes the next chunk and returns the state records that it completes. */
  push(chunk: Uint8Array): readonly SnapshotRecord[] {
    if (this.#isComplete) throw damaged('goes on after its end')
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    if (bytes.length < CRC_BYTES) throw damaged('has a chunk that is too short')
    const piece = bytes.subarray(CRC_BYTES)
    if (crc32(piece) !== bytes.readUInt32BE(0)) throw damaged('has a chunk with a wrong checksum')
    this.#pieces.push(piece)
    this.#bytes += piece.length
    return this.#bytes < this.#needed ? [] : this.#parse()
  }

  #parse(): readonly SnapshotRecord[] {
    const all = Buffer.concat(this.#pieces)
    const records: SnapshotRecord[] = []
    let at = 0
    this.#needed = LENGTHS_BYTES
    while (all.length - at >= LENGTHS_BYTES && !this.#isComplete) {
      const nameBytes = all.readUInt32BE(at)
      const recordBytes = LENGTHS_BYTES + nameBytes + all.readUInt32BE(at + 4)
      if (recordBytes > SNAPSHOT_RECORD_BYTES_MAX) throw damaged('has a record that is too large')
      if (all.length - at < recordBytes) {
        this.#needed = recordBytes
        break
      }
      const record = all.subarray(at, at + recordBytes)
      at += recordBytes
      const name = record.subarray(LENGTHS_BYTES, LENGTHS_BYTES + nameBytes)
      this.#take({ name, value: record.subarray(LENGTHS_BYTES + nameBytes) }, records)
      if (!this.#isComplete) this.#crc = crc32(record, this.#crc)
    }
    const rest = all.subarray(at)
    if (this.#isComplete && rest.length > 0) throw damaged('goes on after its end')
    this.#pieces = rest.length === 0 ? [] : [rest]
    this.#bytes = rest.length
    return records
  }

  #take(record: SnapshotRecord, records: SnapshotRecord[]): void {
    if (!this.#hasHeader) {
      this.#checkHeader(record)
      this.#hasHeader = true
    } else if (record.name.equals(END)) {
      const { records, crc } = JSON.parse(record.value.toString()) as End
      if (records !== this.#records || crc !== this.#crc) throw damaged('is not whole')
      this.#isComplete = true
    } else {
      this.#records++
      records.push(record)
    }
  }

  #checkHeader({ name, value }: SnapshotRecord): void {
    if (!name.equals(HEADER)) throw damaged('does not begin with its header')
    const { version, index, term, by } = JSON.parse(value.toString()) as Header
    if (version !== FORMAT_VERSION) {
      const detail =
        `the snapshot has format ${version} and was cut by raftway ${by ?? 'of unknown version'}, ` +
        `this is raftway ${VERSION}, which reads format ${FORMAT_VERSION}: upgrade this node`
      throw new RaftwayError('VERSION_TOO_OLD', detail)
    }
    if (index !== this.#meta.index || term !== this.#meta.term) {
      throw damaged(
        `is of index ${index}, term ${term}, not of index ${this.#meta.index}, term ${this.#meta.term}`,
      )
    }
  }
}

function damaged(how: string): RaftwayError {
  return new RaftwayError('STORAGE_CORRUPT', `the snapshot ${how}`)
}
