// Goal: a gateway process gives way to another one, and no client notices. Method: two processes on one port, clients
// that do not pause, and a request that is under way the whole time.
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { connect, createServer as createTcpServer, type Socket } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { request } from 'undici'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Definition } from '../../shared/definitions/kinds.ts'
import { Fleet, freePort, Load, Process, until } from './processes.ts'

const ROUNDS = 2

let fleet: Fleet
let slow: Server
const running: Process[] = []
const finish: (() => void)[] = []

beforeEach(async () => {
  fleet = await Fleet.open()
  slow = createServer((_request, response) => {
    response.write('begun ')
    finish.push(() => response.end('and finished'))
  })
  slow.listen(0, '127.0.0.1')
  await once(slow, 'listening')
})

afterEach(async () => {
  for (const end of finish.splice(0)) end()
  await Promise.all(running.splice(0).map((one) => one.kill('SIGKILL')))
  slow.closeAllConnections()
  slow.close()
  await fleet.close()
})

async function gateway(name: string, port: number, more: readonly string[]): Promise<Process> {
  const status = await freePort()
  const dataDir = join(fleet.dir, name)
  const args = ['gateway', 'start', '--name', name, '--workers', '2', '--data-dir', dataDir]
  args.push('--http', `127.0.0.1:${port}`, '--status', `127.0.0.1:${status}`)
  args.push('--definitions', join(fleet.dir, 'definitions'), ...more)
  const process = new Process(name, `http://127.0.0.1:${status}`, dataDir, args)
  running.push(process)
  process.start()
  return process
}

async function define(name: string, path: string, url: string): Promise<void> {
  const spec = { routes: [{ path }], upstream: { targets: [{ url }] } }
  await put({ kind: 'Api', name, spec, revision: 1, createdRevision: 1 })
}

async function put(definition: Definition): Promise<void> {
  const dir = join(fleet.dir, 'definitions', definition.kind.toLowerCase())
  await mkdir(dir, { recursive: true })
  await writeFile(join(dir, `${definition.name}.json`), JSON.stringify(definition))
}

test('a new process takes over the port, the old one finishes what it has: no request fails', async () => {
  const address = slow.address()
  const slowPort = typeof address === 'object' ? (address?.port ?? 0) : 0
  await define('fast', '/fast', await fleet.target('a'))
  await define('slow', '/slow', `http://127.0.0.1:${slowPort}`)
  const port = await freePort()
  let old = await gateway('gw0', port, [])
  await old.ready()
  const load = new Load([`http://127.0.0.1:${port}/fast`], 6)

  for (let round = 1; round <= ROUNDS; round++) {
    await until('answers', () => (load.answers > 200 * round ? true : null))
    const underWay = await request(`http://127.0.0.1:${port}/slow`)
    const next = await gateway(`gw${round}`, port, ['--share-port'])
    await next.ready()
    const stopped = old.kill('SIGTERM')
    await until('the old one takes no more', async () => {
      const seen = await request(`${old.url}/readyz`).catch(() => null)
      await seen?.body.dump()
      return seen?.statusCode === 503 ? true : null
    })
    for (const end of finish.splice(0)) end()
    expect(await underWay.body.text()).toBe('begun and finished')
    expect(await stopped).toBe(0)
    old = next
  }

  const answers = load.answers
  await until('answers of the last one', () => (load.answers > answers + 200 ? true : null))
  await load.stop()
  expect(load.failures).toEqual([])
})

/** A connection to whoever has a port, which gives back what it is told. */
async function openEcho(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  return socket
}

async function says(socket: Socket, text: string): Promise<string> {
  socket.write(text)
  const [answer] = (await once(socket, 'data')) as [Buffer]
  return answer.toString()
}

test('so are the ports of Streams: a connection stays with the old one as long as it lasts, and others go to the new one', async () => {
  const echo = createTcpServer((socket) => socket.pipe(socket))
  echo.listen(0, '127.0.0.1')
  await once(echo, 'listening')
  finish.push(() => echo.close())
  const address = echo.address()
  const target = typeof address === 'object' ? (address?.port ?? 0) : 0
  const [port, streamPort] = [await freePort(), await freePort()]
  const spec = { port: streamPort, upstream: { targets: [{ url: `tcp://127.0.0.1:${target}` }] } }
  await put({ kind: 'Stream', name: 'echo', spec, revision: 1, createdRevision: 1 })
  const options = ['--stream-ports', String(streamPort), '--stream-host', '127.0.0.1']
  const old = await gateway('gw0', port, options)
  await old.ready()
  const lasting = await openEcho(streamPort)
  expect(await says(lasting, 'from the first')).toBe('from the first')

  const next = await gateway('gw1', port, [...options, '--share-port'])
  await next.ready()
  for (let i = 0; i < 10; i++) {
    const socket = await openEcho(streamPort)
    expect(await says(socket, `with both ${i}`)).toBe(`with both ${i}`)
    socket.destroy()
  }
  const stopped = old.kill('SIGTERM')
  await until('the old one takes no more', async () => {
    const seen = await request(`${old.url}/readyz`).catch(() => null)
    await seen?.body.dump()
    return seen?.statusCode === 503 ? true : null
  })
  expect(await says(lasting, 'still there')).toBe('still there')
  lasting.end()
  expect(await stopped).toBe(0)
  for (let i = 0; i < 10; i++) {
    const socket = await openEcho(streamPort)
    expect(await says(socket, `with the new one ${i}`)).toBe(`with the new one ${i}`)
    socket.destroy()
  }
})

test('without being told so, a second process does not take a port that another one has', async () => {
  await define('fast', '/fast', await fleet.target('a'))
  const port = await freePort()
  const first = await gateway('gw0', port, ['--share-port'])
  await first.ready()
  const second = await gateway('gw1', port, [])
  await until('its end', () => second.exitCode)
  expect(second.output).toContain(`cannot listen on 127.0.0.1:${port}`)
  expect((await request(`http://127.0.0.1:${port}/fast`)).statusCode).toBe(200)
})
