/** Goal: writes that are gathered to the end of a turn lose nothing, mix nothing up, and say when they are not taken. */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { assert } from '../../shared/assert.ts'
import { Outgoing } from '../../gateway/outgoing.ts'
import {
  GATHERED_CHARS_MAX,
  GATHERED_WRITES_MAX,
  SMALL_PIECE_BYTES_MAX,
} from '../../shared/limits.ts'

const closing: (() => void)[] = []

afterEach(() => {
  for (const close of closing.splice(0)) close()
})

type Pair = { readonly near: Socket; readonly far: Socket }

async function openPair(): Promise<Pair> {
  const [pair] = await openPairs(1)
  assert(pair !== undefined, 'as many pairs as were asked for')
  return pair
}

async function openPairs(count: number): Promise<Pair[]> {
  const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1')
  closing.push(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // A TCP server has a TCP address.
  const pairs: Pair[] = []
  for (let i = 0; i < count; i++) {
    const accepted = once(server, 'connection') as Promise<[Socket]>
    const near = connect(port, '127.0.0.1')
    const [far] = await accepted
    pairs.push({ near, far })
    closing.push(() => {
      near.destroy()
      far.destroy()
    })
  }
  return pairs
}

async function textOf({ far }: Pair): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of far) pieces.push(piece as Buffer) // Without an encoding a socket gives buffers.
  return Buffer.concat(pieces).toString('latin1')
}

const never = (): void => expect.fail('nothing was too much')

test('what is flushed is written when the turn ends, in the order in which it was gathered', async () => {
  const pair = await openPair()
  const outgoing = new Outgoing(pair.near, never)
  const large = Buffer.alloc(SMALL_PIECE_BYTES_MAX + 1, 'L')
  outgoing.add('a')
  outgoing.flush()
  expect(pair.near.bytesWritten).toBe(0)
  outgoing.add('b')
  outgoing.flush()
  await turn()
  expect(pair.near.bytesWritten).toBe(2)
  outgoing.add('c')
  outgoing.flush()
  outgoing.piece(large, 0, large.length, true)
  outgoing.piece(Buffer.from('d'), 0, 1, false)
  outgoing.flush()
  await turn()
  pair.near.end()
  const chunk = `${large.length.toString(16)}\r\n${large.toString('latin1')}\r\n`
  expect(await textOf(pair)).toBe(`abc${chunk}d`)
})

test('many sockets do not wait for each other: when there are enough of them, they are written to at once', async () => {
  const pairs = await openPairs(GATHERED_WRITES_MAX + 1)
  for (const [i, { near }] of pairs.entries()) {
    const outgoing = new Outgoing(near, never)
    outgoing.add(`number ${i}`)
    outgoing.flush()
  }
  const written = () => pairs.filter(({ near }) => near.bytesWritten > 0).length
  expect(written()).toBe(GATHERED_WRITES_MAX)
  await turn()
  expect(written()).toBe(GATHERED_WRITES_MAX + 1)
  for (const { near } of pairs) near.end()
  const texts = await Promise.all(pairs.map(textOf))
  expect(texts).toEqual(pairs.map((_, i) => `number ${i}`))
})

test('much text is not gathered until the turn ends', async () => {
  const pair = await openPair()
  const outgoing = new Outgoing(pair.near, never)
  outgoing.add('x'.repeat(GATHERED_CHARS_MAX + 1))
  outgoing.flush()
  expect(pair.near.bytesWritten).toBe(GATHERED_CHARS_MAX + 1)
})

test('a peer that does not read is told of once the turn has ended, and a drain follows', async () => {
  const pair = await openPair()
  const full = { times: 0 }
  const outgoing = new Outgoing(pair.near, () => (full.times += 1))
  for (let turns = 0; full.times === 0 && turns < 100_000; turns++) {
    outgoing.add('x'.repeat(GATHERED_CHARS_MAX))
    outgoing.flush()
    await turn()
  }
  expect(full.times).toBe(1)
  expect(outgoing.flush()).toBe(false)
  const drained = once(pair.near, 'drain')
  pair.far.resume()
  await drained
  expect(outgoing.flush()).toBe(true)
})
