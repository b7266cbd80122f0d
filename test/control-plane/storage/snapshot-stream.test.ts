import { crc32 } from 'node:zlib'
import { expect, test } from 'vitest'
import { SnapshotDecoder, encodeSnapshot } from '../../../control-plane/storage/snapshot-stream.ts'
import { CONF_STATE } from './sample-entries.ts'

const META = { index: 9, term: 2, confState: CONF_STATE }
const RECORDS = ['a', 'b', 'c'].map((name) => ({
  name: Buffer.from(name),
  value: Buffer.from(`value of ${name}`),
}))

/** The stream without the checksums of its chunks, record by record: header, state records, end. */
async function encoded(): Promise<Buffer[]> {
  const records = (async function* () {
    yield RECORDS
  })()
  const chunks = await Array.fromAsync(encodeSnapshot(META, records, 64))
  const stream = Buffer.concat(chunks.map((chunk) => chunk.subarray(4)))
  const parts: Buffer[] = []
  for (let at = 0; at < stream.length;) {
    const bytes = 8 + stream.readUInt32BE(at) + stream.readUInt32BE(at + 4)
    parts.push(stream.subarray(at, at + bytes))
    at += bytes
  }
  return parts
}

/** One whole chunk, with a right checksum. */
function chunk(parts: readonly Buffer[]): Buffer {
  const piece = Buffer.concat(parts)
  const head = Buffer.alloc(4)
  head.writeUInt32BE(crc32(piece))
  return Buffer.concat([head, piece])
}

function decode(parts: readonly Buffer[]): {
  readonly names: string[]
  readonly isComplete: boolean
} {
  const decoder = new SnapshotDecoder(META)
  const names = decoder.push(chunk(parts)).map(({ name }) => name.toString())
  return { names, isComplete: decoder.isComplete }
}

test('a stream gives its records back, and is complete with its end', async () => {
  const parts = await encoded()
  expect(decode(parts)).toEqual({ names: ['a', 'b', 'c'], isComplete: true })
  expect(decode(parts.slice(0, -1))).toEqual({ names: ['a', 'b', 'c'], isComplete: false })
})

// Each chunk and each record may be whole by its own checksum, and the stream still not be what was sent.
test('a record that is missing, twice or in another place is found at the end', async () => {
  const parts = await encoded()
  const [header, a, b, c, end] = parts as [Buffer, Buffer, Buffer, Buffer, Buffer]
  for (const wrong of [
    [header, a, c, end],
    [header, a, b, b, c, end],
    [header, b, a, c, end],
    [header, end],
  ]) {
    expect(() => decode(wrong)).toThrow(/is not whole/)
  }
})

test('a stream of a later format is told from damage, with who cut it', async () => {
  const [header, ...rest] = (await encoded()) as [Buffer, ...Buffer[]]
  const later = Buffer.from(JSON.stringify({ version: 2, index: 9, term: 2, by: '9.9.9' }))
  const lengths = Buffer.alloc(8)
  lengths.writeUInt32BE(1, 0)
  lengths.writeUInt32BE(later.length, 4)
  const name = header.subarray(8, 9)
  expect(() => decode([Buffer.concat([lengths, name, later]), ...rest])).toThrow(
    expect.objectContaining({
      code: 'VERSION_TOO_OLD',
      message: expect.stringMatching(/format 2 .* raftway 9\.9\.9.*upgrade this node/),
    }),
  )
})
