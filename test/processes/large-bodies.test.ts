// Goal: what passes is never gathered: however large a body is, a gateway stays as small as it was. Method: a real gateway, a
// target and a client that send and count bytes without keeping them, and the gateway's memory as the system sees it, all
// the while. RAFTWAY_LARGE_BODY_BYTES makes the bodies larger: 10737418240 for 10 GiB.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { afterEach, expect, test } from 'vitest'
import { freePort, Process } from './processes.ts'

const MIB = 1024 * 1024
const TOTAL = Number(process.env['RAFTWAY_LARGE_BODY_BYTES'] ?? 192 * MIB)
const GROWTH_MAX = 30 * MIB
const PIECE = Buffer.alloc(256 * 1024, 'x')
const closing: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

/** Writes `TOTAL` bytes as fast as they are taken. */
function pour(to: Writable): void {
  let left = TOTAL
  const write = (): void => {
    while (left > 0) {
      const piece = left < PIECE.length ? PIECE.subarray(0, left) : PIECE
      left -= piece.length
      if (!to.write(piece)) {
        to.once('drain', write)
        return
      }
    }
    to.end()
  }
  write()
}

async function count(from: IncomingMessage): Promise<number> {
  let bytes = 0
  from.on('data', (piece: Buffer) => {
    bytes += piece.length
  })
  await new Promise((resolve) => from.once('end', resolve))
  return bytes
}

async function startTarget(): Promise<number> {
  // A large body takes longer than node:http would give it.
  const server: Server = createServer({ requestTimeout: 0 }, (incoming, response) => {
    if (incoming.method === 'GET') {
      response.writeHead(200, incoming.url === '/sized' ? { 'Content-Length': TOTAL } : {})
      if (incoming.url === '/small') response.end('ok')
      else pour(response)
      return
    }
    void count(incoming).then((bytes) => response.end(String(bytes)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => server.close())
  return (server.address() as AddressInfo).port
}

/** A gateway of one worker in front of the target. */
async function startGateway(targetPort: number): Promise<{ port: number; pid: number }> {
  const dir = await mkdtemp(join(tmpdir(), 'raftway-large-'))
  closing.push(() => rm(dir, { recursive: true, force: true }))
  await mkdir(join(dir, 'definitions', 'api'), { recursive: true })
  const upstream = { targets: [{ url: `http://127.0.0.1:${targetPort}` }] }
  const spec = { routes: [{ path: '/' }], upstream }
  const definition = { kind: 'Api', name: 'a', spec, revision: 1, createdRevision: 1 }
  await writeFile(join(dir, 'definitions', 'api', 'a.json'), JSON.stringify(definition))
  const [port, status] = [await freePort(), await freePort()]
  const args = ['gateway', 'start', '--workers', '1', '--definitions', join(dir, 'definitions')]
  args.push('--data-dir', join(dir, 'data'), '--http', `127.0.0.1:${port}`)
  args.push('--status', `127.0.0.1:${status}`)
  const gateway = new Process('gateway', `http://127.0.0.1:${status}`, dir, args)
  gateway.start()
  closing.push(() => gateway.kill('SIGKILL'))
  await gateway.ready()
  return { port, pid: gateway.pid }
}

async function residentBytes(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(text)?.[1]) * 1024
}

async function ask(port: number, method: string, path: string, sized: boolean): Promise<string> {
  const headers = method === 'POST' && sized ? { 'Content-Length': TOTAL } : {}
  return new Promise((resolve, reject) => {
    const outgoing = request({ port, host: '127.0.0.1', method, path, headers }, (response) => {
      if (method === 'GET') void count(response).then((bytes) => resolve(String(bytes)))
      else response.once('data', (text: Buffer) => resolve(text.toString()))
    })
    outgoing.on('error', reject)
    if (method === 'POST') pour(outgoing)
    else outgoing.end()
  })
}

test.each([
  ['a download of known length', 'GET', '/sized'],
  ['a download in chunks', 'GET', '/chunked'],
  ['an upload of known length', 'POST', '/sized'],
  ['an upload in chunks', 'POST', '/chunked'],
] as const)(
  '%s leaves a gateway as small as it was',
  async (what, method, path) => {
    const { port, pid } = await startGateway(await startTarget())
    for (let i = 0; i < 200; i++) await ask(port, 'GET', '/small', false)
    const idle = await residentBytes(pid)
    let peak = 0
    const look = async (): Promise<void> => {
      peak = Math.max(peak, await residentBytes(pid))
    }
    const watch = setInterval(() => void look(), 20)
    expect(await ask(port, method, path, path === '/sized')).toBe(String(TOTAL))
    clearInterval(watch)
    if (TOTAL > 1_024 * MIB) {
      const mib = (bytes: number): number => Math.round((bytes / MIB) * 10) / 10
      console.info(JSON.stringify({ what, mib: TOTAL / MIB, idle: mib(idle), peak: mib(peak) }))
    }
    expect(peak - idle).toBeLessThan(GROWTH_MAX)
    expect((await residentBytes(pid)) - idle).toBeLessThan(GROWTH_MAX)
  },
  600_000,
)
