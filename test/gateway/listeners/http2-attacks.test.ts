// Goal: what one client can cost by HTTP/2 is bounded, and costs the others nothing.
// Method: frames written by hand against a real gateway with a real target behind it; after each attack another client is served.
import type { ServerResponse } from 'node:http'
import { constants } from 'node:http2'
import { afterEach, expect, test } from 'vitest'
import { HTTP2_PATIENCE_MAX, HTTP2_RESET_COST, HTTP2_STREAMS_MAX } from '../../../shared/limits.ts'
import { api, targets } from '../support/definitions.ts'
import { END_HEADERS, END_STREAM, FRAME, frame, FrameClient, literals } from '../support/frames.ts'
import { connectHttp2, fetchHttp2 } from '../support/http2-client.ts'
import { startOneWorker } from '../support/one-worker.ts'
import { startTarget } from '../support/target.ts'
import { until } from '../support/until.ts'

const { NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_REFUSED_STREAM } = constants
const MIB = 1024 * 1024
const GET: readonly (readonly [string, string])[] = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/held'],
  [':authority', 'a.test'],
]
const closing: (() => void | Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

type Stage = {
  readonly attacker: FrameClient
  readonly seen: { held: number; whole: number }
  readonly after: () => Promise<void>
}

/** A gateway before a target that answers everything but `/held`; `after` shows that others are served as before. */
async function stage(): Promise<Stage> {
  const held = new Set<ServerResponse>()
  const seen = { held: 0, whole: 0 }
  const target = await startTarget((request, response) => {
    if (request.url !== '/held') {
      response.end('well')
      return
    }
    seen.held += 1
    request.resume()
    request.on('end', () => {
      seen.whole += 1
    })
    held.add(response)
    response.on('close', () => held.delete(response))
  })
  closing.push(() => target.close())
  const gateway = await startOneWorker(api('a', '/', targets(target.url)))
  closing.push(() => gateway.stop())
  const attacker = await FrameClient.open(gateway.port)
  closing.push(() => void attacker.socket.destroy())
  const after = async (): Promise<void> => {
    // What was begun for the attacker is given up with it.
    attacker.socket.destroy()
    await until('the target is left alone', () => held.size === 0)
    const session = await connectHttp2(gateway.url)
    closing.push(() => session.destroy())
    expect((await fetchHttp2(session, { ':path': '/' })).body).toBe('well')
  }
  return { attacker, seen, after }
}

/** Sends until it is cut off; fails when it never is. */
async function sendUntilCut(
  attacker: FrameClient,
  timesMax: number,
  next: (i: number) => Buffer,
): Promise<number> {
  let sent = 0
  while (sent < timesMax && (await attacker.send(next(sent)))) {
    sent += 1
    // Let the answers in, as a client does.
    if (sent % 50 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  await until('the connection is cut', () => attacker.isClosed)
  return sent
}

test('streams that are reset at once end the connection, and few of them reach a target', async () => {
  const { attacker, seen, after } = await stage()
  const block = literals(GET)
  await sendUntilCut(attacker, 50_000, (i) => {
    const stream = 2 * i + 1
    return Buffer.concat([
      frame(FRAME.HEADERS, END_STREAM | END_HEADERS, stream, block),
      frame(FRAME.RST_STREAM, 0, stream, Buffer.from([0, 0, 0, 8])),
    ])
  })
  expect(attacker.goneAwayWith).toBe(NGHTTP2_ENHANCE_YOUR_CALM)
  expect(seen.held).toBeLessThanOrEqual(HTTP2_PATIENCE_MAX / HTTP2_RESET_COST + HTTP2_STREAMS_MAX)
  await after()
})

test('streams that the client makes the gateway reset end the connection as well', async () => {
  const { attacker, after } = await stage()
  const block = literals(GET)
  const sent = await sendUntilCut(attacker, 50_000, (i) => {
    const stream = 2 * i + 1
    return Buffer.concat([
      frame(FRAME.HEADERS, END_STREAM | END_HEADERS, stream, block),
      // An increment of 0 is an error of the stream (RFC 9113 6.9).
      frame(FRAME.WINDOW_UPDATE, 0, stream, Buffer.alloc(4)),
    ])
  })
  expect(sent).toBeLessThan(50_000)
  await after()
})

test('a flood of requests that are malformed ends the connection', async () => {
  const { attacker, after } = await stage()
  const block = literals([...GET, ['host', 'other.test']])
  await sendUntilCut(attacker, 50_000, (i) =>
    frame(FRAME.HEADERS, END_STREAM | END_HEADERS, 2 * i + 1, block),
  )
  expect(attacker.goneAwayWith).toBe(NGHTTP2_ENHANCE_YOUR_CALM)
  await after()
})

test('a head without end is cut off', async () => {
  const { attacker, after } = await stage()
  const before = process.memoryUsage().rss
  const piece = literals([['x-more', 'a'.repeat(8_000)]])
  await attacker.send(frame(FRAME.HEADERS, END_STREAM, 1, literals(GET)))
  const sent = await sendUntilCut(attacker, 100_000, () => frame(FRAME.CONTINUATION, 0, 1, piece))
  expect(sent).toBeLessThan(10_000)
  expect(process.memoryUsage().rss - before).toBeLessThan(64 * MIB)
  await after()
})

test('fields that unfold to far more than was sent are not kept, and never reach a target', async () => {
  const { attacker, seen, after } = await stage()
  const before = process.memoryUsage().rss
  // One entry of 3,000 bytes in the table, and 10,000 times one byte that stands for it.
  const block = Buffer.concat([
    literals(GET),
    literals([['x-bomb', 'b'.repeat(3_000)]], true),
    Buffer.alloc(10_000, 0x80 | 62),
  ])
  for (let i = 0; i < 20; i++) {
    await attacker.send(frame(FRAME.HEADERS, END_STREAM | END_HEADERS, 2 * i + 1, block))
  }
  await until('all are reset', () => {
    const reset = attacker.ofType(FRAME.RST_STREAM).length
    return reset === 20 || attacker.isClosed
  })
  expect(seen.held).toBe(0)
  expect(process.memoryUsage().rss - before).toBeLessThan(64 * MIB)
  await after()
})

test('more streams than are allowed at a time are refused, and may be sent again', async () => {
  const { attacker, seen, after } = await stage()
  attacker.acknowledges = false
  for (let i = 0; i < HTTP2_STREAMS_MAX + 50; i++) {
    await attacker.send(frame(FRAME.HEADERS, END_STREAM | END_HEADERS, 2 * i + 1, literals(GET)))
  }
  await until('the refusals', () => attacker.ofType(FRAME.RST_STREAM).length === 50)
  for (const { payload } of attacker.ofType(FRAME.RST_STREAM)) {
    expect(payload.readUInt32BE(0)).toBe(NGHTTP2_REFUSED_STREAM)
  }
  await until('the others', () => seen.held === HTTP2_STREAMS_MAX)
  await after()
  expect(seen.held).toBe(HTTP2_STREAMS_MAX)
})

test('a client that knows how many streams are allowed, and opens more, is cut off', async () => {
  const { attacker, seen, after } = await stage()
  await until('the settings', () => attacker.ofType(FRAME.SETTINGS).length === 2)
  await sendUntilCut(attacker, 50_000, (i) =>
    frame(FRAME.HEADERS, END_STREAM | END_HEADERS, 2 * i + 1, literals(GET)),
  )
  expect(seen.held).toBeLessThanOrEqual(HTTP2_STREAMS_MAX)
  await after()
})

test.each([
  ['pings', () => frame(FRAME.PING, 0, 0, Buffer.alloc(8))],
  ['settings', () => frame(FRAME.SETTINGS, 0, 0, Buffer.from([0, 4, 0, 1, 0, 0]))],
  ['empty pieces', (i: number) => (i === 0 ? POST : frame(FRAME.DATA, 0, 1))],
] as const)('a flood of %s ends the connection', async (_what, next) => {
  const { attacker, after } = await stage()
  const sent = await sendUntilCut(attacker, 200_000, next)
  expect(sent).toBeLessThan(100_000)
  await after()
})

const POST = frame(FRAME.HEADERS, END_HEADERS, 1, literals([[':method', 'POST'], ...GET.slice(1)]))

test('replies that are not taken cost a bounded amount of memory', async () => {
  const { attacker, after } = await stage()
  const before = process.memoryUsage().rss
  attacker.socket.pause()
  // Each asks for an answer; none is read.
  const pings = Buffer.concat(
    Array.from({ length: 1_000 }, () => frame(FRAME.PING, 0, 0, Buffer.alloc(8))),
  )
  let isTaken = true
  for (let i = 0; i < 1_000 && isTaken; i++) {
    isTaken = await Promise.race([attacker.send(pings), stuck()])
  }
  expect(process.memoryUsage().rss - before).toBeLessThan(64 * MIB)
  attacker.socket.resume()
  await until('the connection is cut', () => attacker.isClosed)
  await after()
})

function stuck(): Promise<boolean> {
  return new Promise((resolve) => setTimeout(() => resolve(false), 1_000))
}

test.each([
  ['more', 5],
  ['less', 2],
])('a body with %s bytes than were announced is never whole', async (_what, size) => {
  const { attacker, seen, after } = await stage()
  const head = literals([[':method', 'POST'], ...GET.slice(1), ['content-length', '3']])
  await attacker.send(
    Buffer.concat([
      frame(FRAME.HEADERS, END_HEADERS, 1, head),
      frame(FRAME.DATA, END_STREAM, 1, Buffer.alloc(size)),
    ]),
  )
  await until(
    'the stream is cut off',
    () => attacker.ofType(FRAME.RST_STREAM).length === 1 || attacker.isClosed,
  )
  await after()
  expect(seen.whole).toBe(0)
})

test('a client that only cancels now and then is not cut off', async () => {
  const { attacker, after } = await stage()
  const held = literals(GET)
  const quick = literals([...GET.slice(0, 2), [':path', '/'], ...GET.slice(3)])
  // Twice the patience in cancelled streams, as many as were answered.
  const batch = 40
  let stream = 1
  for (let done = 0; done < (2 * HTTP2_PATIENCE_MAX) / HTTP2_RESET_COST; done += batch) {
    const frames: Buffer[] = []
    for (let i = 0; i < batch; i++) {
      frames.push(
        frame(FRAME.HEADERS, END_STREAM | END_HEADERS, stream, quick),
        frame(FRAME.HEADERS, END_STREAM | END_HEADERS, stream + 2, held),
        frame(FRAME.RST_STREAM, 0, stream + 2, Buffer.from([0, 0, 0, 8])),
      )
      stream += 4
    }
    await attacker.send(Buffer.concat(frames))
    const isAnswered = (): boolean => attacker.ofType(FRAME.HEADERS).length === done + batch
    await until('the answers', () => isAnswered() || attacker.isClosed)
  }
  expect(attacker.isClosed).toBe(false)
  await after()
})
