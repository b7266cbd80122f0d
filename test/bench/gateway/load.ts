// Load on a gateway and what it costs there. The gateway is a process of its own on one core; load and target share the
// process of the bench, on the other.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, until } from '../../processes/processes.ts'
import { cpuUsOf } from './observed.ts'

const RAFTWAY = join(import.meta.dirname, '../../../bin/raftway.js')
const BODY = `${'x'.repeat(96)}END\n`
const ANSWER = `HTTP/1.1 200 OK\r\nContent-Length: ${BODY.length}\r\nContent-Type: text/plain\r\n\r\n${BODY}`
const CONNECTIONS = 64
const ROUTES = 100

/** A target that answers every request with the same 100 bytes. */
export class BareTarget {
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
  }

  static async open(): Promise<BareTarget> {
    const server = createServer((socket) => {
      socket.setNoDelay(true)
      socket.on('error', () => {})
      socket.on('data', (data: Buffer) => {
        if (data.at(-1) === 10) socket.write(ANSWER)
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new BareTarget(server)
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  close(): void {
    this.#server.close()
  }
}

/** A gateway with one worker and `ROUTES` routes, pinned to the first core where `taskset` is there. */
export class BenchGateway {
  readonly #child: ChildProcess
  readonly #dir: string
  readonly port: number
  readonly statusUrl: string

  private constructor(parts: {
    readonly child: ChildProcess
    readonly dir: string
    readonly port: number
    readonly statusUrl: string
  }) {
    this.#child = parts.child
    this.#dir = parts.dir
    this.port = parts.port
    this.statusUrl = parts.statusUrl
  }

  static async open(targetUrl: string, options: readonly string[]): Promise<BenchGateway> {
    const dir = await mkdtemp(join(tmpdir(), 'raftway-bench-'))
    const [port, status] = [await freePort(), await freePort()]
    await mkdir(join(dir, 'definitions', 'api'), { recursive: true })
    const routes = Array.from({ length: ROUTES }, (_, at) => ({ path: `/route-${at}/` }))
    const definition = {
      kind: 'Api',
      name: 'bench',
      spec: { routes, upstream: { targets: [{ url: targetUrl }] } },
      revision: 1,
      createdRevision: 1,
    }
    const file = join(dir, 'definitions', 'api', 'bench.json')
    await writeFile(file, JSON.stringify(definition))
    const args = [RAFTWAY, 'gateway', 'start', '--workers', '1', '--log-level', 'error']
    args.push('--definitions', join(dir, 'definitions'), '--data-dir', join(dir, 'data'))
    args.push('--http', `127.0.0.1:${port}`, '--status', `127.0.0.1:${status}`, ...options)
    const child = spawn('taskset', ['-c', '0', process.execPath, ...args], {
      stdio: ['ignore', 'ignore', 'inherit'],
      cwd: dir,
    })
    const statusUrl = `http://127.0.0.1:${status}`
    await until('the gateway serves', async () => (await fetch(`${statusUrl}/readyz`)).ok || null)
    return new BenchGateway({ child, dir, port, statusUrl })
  }

  /** Processor time that it has used, in microseconds. */
  cpuUs(): number {
    return cpuUsOf(this.#child.pid ?? 0)
  }

  async close(): Promise<void> {
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    await ended
    await rm(this.#dir, { recursive: true })
  }
}

/** Requests over kept connections, one at a time on each, spread over the routes. Resolves when all are answered. */
export async function load(port: number, requests: number): Promise<void> {
  let left = requests
  const client = async (at: number): Promise<void> => {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    socket.setNoDelay(true)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    socket.on('error', reject)
    const next = (): void => {
      if (left <= 0) {
        socket.destroy()
        resolve()
        return
      }
      left -= 1
      ask(socket, (at + left) % ROUTES)
    }
    socket.on('data', (data: Buffer) => {
      if (data.toString('latin1', Math.max(0, data.length - 4)) === 'END\n') next()
    })
    next()
    await promise
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, (_, at) => client(at)))
}

/** Requests without an end over kept connections, one at a time on each. */
export type OpenLoad = {
  /** Answered so far. */
  readonly answers: number
  /** Ends it; gives how many answers were not 200 or broke off. */
  stop(): Promise<number>
}

/** Begins a load on the first `routes` routes. */
export async function openLoad(port: number, routes: number): Promise<OpenLoad> {
  const sockets = Array.from({ length: CONNECTIONS }, () => connect(port, '127.0.0.1'))
  await Promise.all(sockets.map((socket) => once(socket, 'connect')))
  let [answers, failures, isOver] = [0, 0, false]
  const ended = sockets.map((socket, at) => {
    socket.setNoDelay(true)
    const next = (): void => {
      if (isOver) socket.destroy()
      else ask(socket, (at + answers) % routes)
    }
    socket.on('error', () => {})
    socket.on('data', (data: Buffer) => {
      if (data.toString('latin1', Math.max(0, data.length - 4)) !== 'END\n') return
      answers++
      if (!data.toString('latin1', 0, 12).endsWith(' 200')) failures++
      next()
    })
    socket.on('close', () => {
      if (!isOver) failures++
    })
    next()
    return once(socket, 'close')
  })
  return {
    get answers() {
      return answers
    },
    async stop() {
      isOver = true
      await Promise.all(ended)
      return failures
    },
  }
}

function ask(socket: Socket, route: number): void {
  socket.write(
    `GET /route-${route}/x?page=2 HTTP/1.1\r\nHost: bench.test\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\n\r\n`,
  )
}
