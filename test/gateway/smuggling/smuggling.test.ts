// Goal: no message makes anybody behind the gateway see a second request. Method: every message of the corpus goes through a
// gateway, and through nginx or haproxy behind it, to a canary that writes down what it is asked for; after each one another
// client asks for something of its own over the same connections, and must get it.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { api, targets } from '../support/definitions.ts'
import { startImpatientWorker, type OneWorker } from '../support/one-worker.ts'
import { programOf } from '../support/programs.ts'
import { openRaw, readToEnd } from '../support/raw-client.ts'
import { CORPUS } from './corpus.ts'
import { startHaproxy, startNginx, type Front } from './fronts.ts'

const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

/** A server that takes what it can, however odd, and says what it was asked for. */
async function startCanary(): Promise<{ readonly port: number; readonly seen: string[] }> {
  const seen: string[] = []
  const server = createServer({ insecureHTTPParser: true }, (request, response) => {
    seen.push(request.url ?? '')
    request.resume()
    request.on('end', () => response.end(request.url))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  closing.push(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => void server.close(resolve))
  })
  return { port: (server.address() as AddressInfo).port, seen }
}

async function gatewayTo(url: string): Promise<OneWorker> {
  const gateway = await startImpatientWorker(
    { idleMs: 200, headMs: 200 },
    api('a', '/', targets(url)),
  )
  closing.push(() => gateway.stop())
  return gateway
}

/** Sends every message; gives what went wrong with each. */
async function attack(gateway: OneWorker, seen: string[]): Promise<string[]> {
  const broken: string[] = []
  for (const [i, { name, text }] of CORPUS.entries()) {
    seen.length = 0
    const socket = await openRaw(gateway.port)
    socket.end(text, 'latin1')
    await readToEnd(socket)
    const after = await fetch(`${gateway.url}/after/${i}`)
    const body = await after.text()
    if (body !== `/after/${i}`) broken.push(`${name}: the next client got ${after.status} ${body}`)
    const strays = seen.filter(
      (path) => path !== '/first' && path !== `/after/${i}` && path !== '*',
    )
    if (strays.length > 0) broken.push(`${name}: ${strays.join(', ')} came`)
    if (seen.filter((path) => path === '/first').length > 1) broken.push(`${name}: came twice`)
  }
  return broken
}

test('the corpus has at least 150 messages, each with a name of its own', () => {
  expect(CORPUS.length).toBeGreaterThanOrEqual(150)
  expect(new Set(CORPUS.map(({ name }) => name)).size).toBe(CORPUS.length)
  expect(CORPUS.filter(({ text }) => text.includes('/smuggled'))).toHaveLength(CORPUS.length)
})

test('without a gateway, some of them smuggle to a server that repairs what it is sent', async () => {
  const { port, seen } = await startCanary()
  for (const { text } of CORPUS) {
    const socket = await openRaw(port)
    socket.end(text, 'latin1')
    await readToEnd(socket)
  }
  expect(seen.filter((path) => path === '/smuggled').length).toBeGreaterThan(5)
})

test('with one, what can be understood in one way only still passes', async () => {
  const { port, seen } = await startCanary()
  const gateway = await gatewayTo(`http://127.0.0.1:${port}`)
  for (const { text } of CORPUS.filter(({ name }) =>
    /^CL.0: "(GET|DELETE|OPTIONS|POST|PUT)"/.test(name),
  )) {
    const socket = await openRaw(gateway.port)
    socket.end(text, 'latin1')
    await readToEnd(socket)
  }
  expect(seen).toEqual(Array.from({ length: 5 }, () => '/first'))
})

test('nothing is smuggled past a gateway alone', async () => {
  const { port, seen } = await startCanary()
  const gateway = await gatewayTo(`http://127.0.0.1:${port}`)
  expect(await attack(gateway, seen)).toEqual([])
}, 120_000)

describe.each([
  ['nginx', startNginx],
  ['haproxy', startHaproxy],
] as const)('behind a gateway, %s', (name, start) => {
  const program = programOf(name)
  test.skipIf(program === null)(
    'is not smuggled to',
    async () => {
      const { port, seen } = await startCanary()
      const front: Front = await start(program ?? '', port)
      closing.push(() => front.close())
      const gateway = await gatewayTo(front.url)
      expect(await attack(gateway, seen)).toEqual([])
    },
    120_000,
  )
})
