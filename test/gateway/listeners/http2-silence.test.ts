// Goal: a client of HTTP/2 that falls silent, wherever it stands, is cut off in a bounded time, and takes with it what was begun
// for it; one that only waits is not. Method: frames written by hand, or left out, against a gateway with little patience.
import { connect as connectHttp2 } from 'node:http2'
import { afterEach, expect, test } from 'vitest'
import { api, targets } from '../support/definitions.ts'
import { END_HEADERS, END_STREAM, FRAME, frame, FrameClient, literals } from '../support/frames.ts'
import { startImpatientWorker } from '../support/one-worker.ts'
import { openRaw } from '../support/raw-client.ts'
import { startTarget } from '../support/target.ts'
import { until } from '../support/until.ts'

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
const PATIENCE = { headMs: 300, idleMs: 300, keepAliveMs: 300 }
const GET = literals([
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/held'],
  [':authority', 'a.test'],
])
const closing: (() => void | Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

/** A gateway before a target that never answers. */
async function stage(): Promise<{ readonly port: number; readonly held: Set<unknown> }> {
  const held = new Set<unknown>()
  const target = await startTarget((_request, response) => {
    held.add(response)
    response.on('close', () => held.delete(response))
  })
  closing.push(() => target.close())
  const gateway = await startImpatientWorker(PATIENCE, api('a', '/', targets(target.url)))
  closing.push(() => gateway.stop())
  return { port: gateway.port, held }
}

test.each([
  ['in the middle of the preface', PREFACE.slice(0, 20)],
  ['behind the preface, without settings', PREFACE],
  ['in the middle of a frame', `${PREFACE}\0\0\x08\x04`],
])('one that is silent %s is cut off', async (_, said) => {
  const { port } = await stage()
  const socket = await openRaw(port)
  closing.push(() => void socket.destroy())
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.resume()
  socket.write(said, 'latin1')
  await closed
  expect(socket.destroyed).toBe(true)
})

test('one that never acknowledges settings, and asks for nothing, is cut off', async () => {
  const { port } = await stage()
  const client = await FrameClient.open(port)
  closing.push(() => void client.socket.destroy())
  client.acknowledges = false
  await until('the end', () => client.isClosed)
  expect(client.goneAwayWith).toBe(0)
})

test('one that waits for an answer and does not say that it is there is cut off, and its call ended', async () => {
  const { port, held } = await stage()
  const client = await FrameClient.open(port)
  closing.push(() => void client.socket.destroy())
  await client.send(frame(FRAME.HEADERS, END_HEADERS | END_STREAM, 1, GET))
  await until('the request', () => held.size === 1)
  await until('the end', () => client.isClosed)
  expect(client.ofType(FRAME.PING)).toHaveLength(1)
  await until('the target is left alone', () => held.size === 0)
})

test('one that answers pings may wait as long as it likes', async () => {
  const { port, held } = await stage()
  const session = connectHttp2(`http://127.0.0.1:${port}`)
  closing.push(() => session.destroy())
  const pings: number[] = []
  session.on('ping', () => pings.push(performance.now()))
  const stream = session.request({ ':path': '/held' })
  stream.on('error', () => {})
  await until('it was asked thrice', () => pings.length === 3)
  expect([stream.closed, session.closed, held.size]).toEqual([false, false, 1])
})
