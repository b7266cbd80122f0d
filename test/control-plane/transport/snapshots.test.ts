// Goal: a snapshot arrives whole or not at all, at the pace of the slower side, and never in memory as a whole.
import { createHash } from 'node:crypto'
import { afterEach, expect, test } from 'vitest'
import { RaftwayError } from '../../../shared/errors.ts'
import { SNAPSHOT_CHUNK_BYTES, SNAPSHOT_QUEUE_BYTES_MAX } from '../../../shared/limits.ts'
import type { MessageOf } from '../../../control-plane/raft/messages.ts'
import type { OutgoingSnapshot } from '../../../control-plane/ports.ts'
import { TestNodes, until, type TestNode } from './nodes.ts'

const nodes = new TestNodes()
afterEach(() => nodes.closeAll())

const CHUNKS = 256

const meta = {
  term: 3,
  index: 500,
  confState: {
    voters: [1, 2],
    learners: [],
    votersOutgoing: [],
    learnersNext: [],
    autoLeave: false,
  },
}

const snap: MessageOf<'snap'> = { type: 'snap', from: 1, to: 2, term: 3, snapshot: meta }

/** Counts what was taken from it, and whether its generator was ended. */
class Source implements OutgoingSnapshot {
  readonly meta = meta
  readonly hash = createHash('sha256')
  taken = 0
  isEnded = false
  readonly #chunks: number

  constructor(chunks = CHUNKS) {
    this.#chunks = chunks
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    try {
      for (let i = 0; i < this.#chunks; i++) {
        this.taken++
        const chunk = Buffer.alloc(SNAPSHOT_CHUNK_BYTES, i)
        this.hash.update(chunk)
        yield chunk
      }
    } finally {
      this.isEnded = true
    }
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

async function pair(peer?: (b: TestNode) => Promise<string>): Promise<[TestNode, TestNode]> {
  const a = await nodes.open(1)
  const b = await nodes.open(2)
  if (peer !== undefined) b.identity = { ...b.identity, peer: await peer(b) }
  a.transport.setPeers([b.identity])
  await until('connected', () => a.transport.lastHeardMs(2) !== null)
  return [a, b]
}

test('64 MiB reach a slow receiver whole, with little of it under way at any time', async () => {
  const [a, b] = await pair()
  const source = new Source()
  const hash = createHash('sha256')
  let read = 0
  let mostUnderWay = 0
  let isStaged = false
  b.handler.takeSnapshot = async (message, chunks) => {
    expect(message).toEqual(snap)
    for await (const chunk of chunks) {
      hash.update(chunk)
      read++
      // Slower than the sender: it gets every chance to run ahead before the next chunk is asked for.
      for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve))
      mostUnderWay = Math.max(mostUnderWay, source.taken - read)
    }
    isStaged = true
  }
  await a.transport.sendSnapshot(snap, source)
  // The acknowledgement is the handler's own word.
  expect(isStaged).toBe(true)
  expect(read).toBe(CHUNKS)
  expect(hash.digest('hex')).toBe(source.hash.digest('hex'))
  // The queue of the receiver, both buffers of the kernel, and what the streams hold.
  const kernelBytes = 12 * 1024 * 1024
  expect(mostUnderWay * SNAPSHOT_CHUNK_BYTES).toBeLessThan(SNAPSHOT_QUEUE_BYTES_MAX + kernelBytes)
})

test('a receiver that does not read stops the sender', async () => {
  const [a, b] = await pair()
  const source = new Source()
  let goOn = (): void => {}
  b.handler.takeSnapshot = async (_message, chunks) => {
    await new Promise<void>((resolve) => {
      goOn = resolve
    })
    for await (const chunk of chunks) expect(chunk).toHaveLength(SNAPSHOT_CHUNK_BYTES)
  }
  const sending = a.transport.sendSnapshot(snap, source)
  let before = -1
  await until('the sender stands still', () => {
    const isStill = source.taken === before && source.taken > 0
    before = source.taken
    return isStill
  })
  expect(source.taken).toBeLessThan(CHUNKS / 2)
  // Messages pass beside it.
  a.transport.sendNote(2, { type: 'beside', body: null })
  await until('the note arrived', () => b.handler.notes.length === 1)
  goOn()
  await sending
  expect(source.taken).toBe(CHUNKS)
})

test('broken half way, it fails on both sides', async () => {
  let cut = (): void => {}
  const [a, b] = await pair(async ({ address }) => {
    const relay = await nodes.relay(address.peer)
    cut = () => relay.cut()
    return relay.address
  })
  const source = new Source()
  let failure: unknown = null
  b.handler.takeSnapshot = async (_message, chunks) => {
    let read = 0
    try {
      for await (const chunk of chunks) {
        read += chunk.length
        if (read > 20 * SNAPSHOT_CHUNK_BYTES) cut()
      }
    } catch (error) {
      failure = error
      throw error
    }
  }
  await expect(a.transport.sendSnapshot(snap, source)).rejects.toMatchObject({
    code: 'PEER_UNREACHABLE',
  })
  await until('the receiver knows', () => failure !== null)
  expect(failure).toMatchObject({ code: 'PEER_UNREACHABLE' })
  expect(source.isEnded).toBe(true)
  expect(source.taken).toBeLessThan(CHUNKS)
})

test('a chunk damaged on the way fails it on both sides', async () => {
  let spoil = (): void => {}
  const [a, b] = await pair(async ({ address }) => {
    const relay = await nodes.relay(address.peer)
    spoil = () => {
      relay.spoil = (chunk) => {
        const copy = Buffer.from(chunk)
        const middle = copy.length >> 1
        copy[middle] = (copy[middle] ?? 0) ^ 1
        return copy
      }
    }
    return relay.address
  })
  let failure: unknown = null
  b.handler.takeSnapshot = async (_message, chunks) => {
    try {
      for await (const _chunk of chunks) spoil()
    } catch (error) {
      failure = error
      throw error
    }
  }
  await expect(a.transport.sendSnapshot(snap, new Source())).rejects.toMatchObject({
    code: 'PEER_UNREACHABLE',
  })
  await until('the receiver knows', () => failure !== null)
  expect(failure).toMatchObject({ code: 'FRAME_CORRUPT' })
})

test('what the receiver refuses with reaches the sender, and ends what it reads from', async () => {
  const [a, b] = await pair()
  const source = new Source()
  b.handler.takeSnapshot = async (_message, chunks) => {
    for await (const _chunk of chunks) throw new RaftwayError('STORAGE_CORRUPT', 'the disk is full')
  }
  await expect(a.transport.sendSnapshot(snap, source)).rejects.toMatchObject({
    code: 'STORAGE_CORRUPT',
    message: 'the disk is full',
  })
  expect(source.isEnded).toBe(true)
})

test('a receiver that stops reading early has not taken it', async () => {
  const [a, b] = await pair()
  b.handler.takeSnapshot = async (_message, chunks) => {
    for await (const _chunk of chunks) return
  }
  await expect(a.transport.sendSnapshot(snap, new Source(3))).rejects.toMatchObject({
    code: 'INTERNAL',
    message: 'the snapshot was not read to its end',
  })
})

test('a source that fails half way fails the receiver too', async () => {
  const [a, b] = await pair()
  const begun = Promise.withResolvers<void>()
  let failure: unknown = null
  b.handler.takeSnapshot = async (_message, chunks) => {
    try {
      for await (const chunk of chunks) {
        expect(chunk).toHaveLength(SNAPSHOT_CHUNK_BYTES)
        begun.resolve()
      }
    } catch (error) {
      failure = error
      throw error
    }
  }
  const source: OutgoingSnapshot = {
    meta,
    async *chunks() {
      yield Buffer.alloc(SNAPSHOT_CHUNK_BYTES)
      await begun.promise
      throw new RaftwayError('STORAGE_CORRUPT', 'a block is damaged')
    },
    close: () => Promise.resolve(),
  }
  await expect(a.transport.sendSnapshot(snap, source)).rejects.toMatchObject({
    code: 'STORAGE_CORRUPT',
  })
  await until('the receiver knows', () => failure !== null)
})

test('to a node that is unknown or away it fails at once', async () => {
  const [a, b] = await pair()
  await expect(a.transport.sendSnapshot({ ...snap, to: 9 }, new Source())).rejects.toMatchObject({
    code: 'PEER_UNREACHABLE',
  })
  await b.transport.close()
  await expect(a.transport.sendSnapshot(snap, new Source())).rejects.toMatchObject({
    code: 'PEER_UNREACHABLE',
  })
})

test('closing either side ends it', async () => {
  for (const closing of [0, 1]) {
    const both = await pair()
    const [a, b] = both
    let failure: unknown = null
    b.handler.takeSnapshot = async (_message, chunks) => {
      try {
        for await (const _chunk of chunks) void both[closing]?.transport.close()
      } catch (error) {
        failure = error
        throw error
      }
    }
    await expect(a.transport.sendSnapshot(snap, new Source())).rejects.toBeInstanceOf(RaftwayError)
    await until('the receiver knows', () => failure !== null)
    await nodes.closeAll()
  }
})
