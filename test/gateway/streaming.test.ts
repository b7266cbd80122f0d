/**
 * Goal: nothing is buffered. Method: 200 MB in each direction with one side that stops reading; what the fast side could
 * hand over must stay far below the whole, and memory with it.
 */
import { createHash, randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { afterEach, expect, test } from 'vitest'
import { api, targets } from './support/definitions.ts'
import { startOneWorker } from './support/one-worker.ts'
import { openRaw } from './support/raw-client.ts'
import { startTarget } from './support/target.ts'
import { until } from './support/until.ts'

const MIB = 1024 * 1024
const TOTAL = 200 * MIB
const CHUNK = randomBytes(MIB)
const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

async function gatewayTo(answer: Parameters<typeof startTarget>[0]): Promise<number> {
  const behind = await startTarget(answer)
  const gateway = await startOneWorker(api('a', '/', targets(behind.url)))
  closing.push(() => behind.close())
  closing.push(() => gateway.stop())
  return gateway.port
}

/** Resolves when a count has stood still for a while: whoever moves it is waiting. */
async function standstill(read: () => number): Promise<number> {
  let last = -1
  let since = performance.now()
  return until(
    'a standstill',
    () => {
      const now = read()
      if (now !== last) {
        last = now
        since = performance.now()
      }
      return now > 0 && performance.now() - since > 300 ? now : null
    },
    20_000,
  )
}

test('an answer of 200 MB waits for a client that does not read, and then arrives whole', async () => {
  let written = 0
  const port = await gatewayTo((_request, response) => {
    response.writeHead(200, { 'Content-Length': TOTAL })
    const write = (): void => {
      while (written < TOTAL) {
        written += CHUNK.length
        if (!response.write(CHUNK)) {
          response.once('drain', write)
          return
        }
      }
      response.end()
    }
    write()
  })
  const before = process.memoryUsage().rss
  const socket = await openRaw(port)
  socket.pause()
  socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  expect(await standstill(() => written)).toBeLessThan(32 * MIB)
  expect(process.memoryUsage().rss - before).toBeLessThan(96 * MIB)

  let received = 0
  socket.on('data', (piece: Buffer) => {
    received += piece.length
  })
  socket.resume()
  await new Promise<void>((resolve) => socket.once('close', () => resolve()))
  expect(received).toBeGreaterThan(TOTAL)
  expect(received).toBeLessThan(TOTAL + 4_096)
})

test.each(['chunked', 'sized'] as const)(
  'an upload of 200 MB, %s, waits for a target that does not read, and then arrives whole',
  async (form) => {
    const seen = createHash('sha256')
    let read = 0
    let letRead: () => void = () => {}
    const port = await gatewayTo((incoming, response) => {
      letRead = () => {
        incoming.on('data', (piece: Buffer) => {
          read += piece.length
          seen.update(piece)
        })
        incoming.on('end', () => response.end(seen.digest('hex')))
      }
    })
    const before = process.memoryUsage().rss
    const headers =
      form === 'sized' ? { 'Content-Length': TOTAL } : { 'Transfer-Encoding': 'chunked' }
    const upload = request({ port, host: '127.0.0.1', method: 'POST', headers })
    const sent = createHash('sha256')
    let written = 0
    const write = (): void => {
      while (written < TOTAL) {
        written += CHUNK.length
        sent.update(CHUNK)
        if (!upload.write(CHUNK)) {
          upload.once('drain', write)
          return
        }
      }
      upload.end()
    }
    write()
    expect(await standstill(() => written)).toBeLessThan(32 * MIB)
    expect(process.memoryUsage().rss - before).toBeLessThan(96 * MIB)

    letRead()
    const text = await new Promise<string>((resolve, reject) => {
      upload.once('error', reject)
      upload.once('response', (response) => {
        let body = ''
        response.on('data', (piece: Buffer) => {
          body += piece.toString()
        })
        response.on('end', () => resolve(body))
      })
    })
    expect(read).toBe(TOTAL)
    expect(text).toBe(sent.digest('hex'))
  },
  60_000,
)

test('both directions flow at the same time', async () => {
  const port = await gatewayTo((incoming, response) => incoming.pipe(response))
  const echo = request({ port, host: '127.0.0.1', method: 'POST' })
  const pieces = Array.from({ length: 64 }, () => randomBytes(64 * 1024))
  const received: Buffer[] = []
  const done = new Promise<void>((resolve) => {
    echo.once('response', (response) => {
      response.on('data', (piece: Buffer) => received.push(piece))
      response.on('end', () => resolve())
    })
  })
  for (const piece of pieces) {
    if (!echo.write(piece)) await new Promise((resolve) => echo.once('drain', resolve))
  }
  echo.end()
  await done
  expect(Buffer.concat(received).equals(Buffer.concat(pieces))).toBe(true)
})
