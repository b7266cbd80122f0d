// Real processes for tests: started from the checkout's own command, found by condition, ended by process id.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { request } from 'undici'

const RAFTWAY = join(import.meta.dirname, '../../bin/raftway.js')

/** Waits until `probe` gives something else than null or undefined; fails with what it last saw. */
export async function until<T>(
  what: string,
  probe: () => Promise<T | null | undefined> | T | null | undefined,
  timeoutMs = 20_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs
  let last: unknown = 'nothing'
  while (Date.now() < deadline) {
    try {
      const value = await probe()
      if (value !== null && value !== undefined) return value
    } catch (error) {
      last = error
    }
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error(`${what}: not within ${timeoutMs} ms; last: ${String(last)}`)
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

export type Json = Record<string, unknown>

/** One JSON call; the body is parsed whatever the status. */
export async function call(
  url: string,
  method = 'GET',
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: Json; headers: Record<string, unknown> }> {
  const answer = await request(url, {
    method: method as 'GET',
    headers: body === undefined ? headers : { 'content-type': 'application/json', ...headers },
    body: body === undefined ? null : JSON.stringify(body),
    headersTimeout: 20_000,
    bodyTimeout: 20_000,
  })
  const text = await answer.body.text()
  return {
    status: answer.statusCode,
    body: text === '' ? {} : (JSON.parse(text) as Json),
    headers: answer.headers,
  }
}

/** A process of the project, started anew by `start` under the same options. */
export class Process {
  readonly name: string
  readonly url: string
  readonly dataDir: string
  readonly args: readonly string[]
  readonly #env: NodeJS.ProcessEnv
  output = ''
  #child: ChildProcess | null = null

  constructor(
    name: string,
    url: string,
    dataDir: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
  ) {
    this.name = name
    this.url = url
    this.dataDir = dataDir
    this.args = args
    this.#env = env
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  /** Null while it runs, and when a signal ended it. */
  get exitCode(): number | null {
    return this.#child?.exitCode ?? null
  }

  get isRunning(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** `more` options are for this time only. */
  start(more: readonly string[] = []): void {
    const child = spawn(process.execPath, [RAFTWAY, ...this.args, ...more], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...this.#env },
    })
    const take = (chunk: Buffer) => {
      this.output += chunk.toString()
      // A busy node writes much: what is old is cut off now and then, not with every line.
      if (this.output.length > 400_000) this.output = this.output.slice(-200_000)
    }
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    this.#child = child
  }

  /** Sends a signal that ends nothing. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    if (this.isRunning) this.#child?.kill(signal)
  }

  /** For the last moment of this process, which waits for nothing any more. */
  killNow(): void {
    if (this.isRunning) this.#child?.kill('SIGKILL')
  }

  /** Sends a signal and waits for the end; gives the exit code, or null when the signal ended it. */
  async kill(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child
    if (child === null || !this.isRunning) return child?.exitCode ?? null
    const ended = once(child, 'exit')
    child.kill(signal)
    const [code] = (await ended) as [number | null]
    return code
  }

  async ready(timeoutMs = 20_000): Promise<void> {
    await until(
      `${this.name} is ready`,
      async () => {
        if (!this.isRunning) throw new Error(`${this.name} ended:\n${this.output.slice(-4_000)}`)
        return (await call(`${this.url}/readyz`)).status === 200 ? true : null
      },
      timeoutMs,
    )
  }
}

/** Nodes, gateways and targets of one test; `close` ends all of them. */
export class Fleet {
  readonly dir: string
  readonly nodes: Process[] = []
  readonly gateways: (Process & { traffic: string })[] = []
  readonly #targets: Server[] = []
  #peers: string[] = []

  private constructor(dir: string) {
    this.dir = dir
  }

  static async open(): Promise<Fleet> {
    return new Fleet(await mkdtemp(join(tmpdir(), 'raftway-test-')))
  }

  /** Starts `count` fresh nodes that form one cluster, and waits until they serve. */
  async form(count: number, options: readonly string[] = []): Promise<void> {
    const ports = await Promise.all(Array.from({ length: count * 2 }, freePort))
    this.#peers = ports.slice(0, count).map((port) => `127.0.0.1:${port}`)
    for (let i = 0; i < count; i++)
      this.#addNode(this.#peers[i] ?? '', ports[count + i] ?? 0, { expect: count, options })
    for (const node of this.nodes) node.start()
    await Promise.all(this.nodes.map((node) => node.ready()))
  }

  /** Starts one more node with the same options as the others. */
  async another(options: readonly string[] = []): Promise<Process> {
    const peer = `127.0.0.1:${await freePort()}`
    const expect = this.nodes.length
    const node = this.#addNode(peer, await freePort(), { expect, options })
    node.start()
    return node
  }

  async gateway(options: readonly string[] = []): Promise<Process & { traffic: string }> {
    const http = await freePort()
    const status = await freePort()
    const name = `gw${this.gateways.length + 1}`
    const dataDir = join(this.dir, name)
    const control = this.nodes.map((node) => node.url).join(',')
    const args = [
      'gateway',
      'start',
      '--name',
      name,
      '--http',
      `127.0.0.1:${http}`,
      '--status',
      `127.0.0.1:${status}`,
    ]
    args.push(
      '--data-dir',
      dataDir,
      '--workers',
      '1',
      ...(control === '' ? [] : ['--control', control]),
      ...options,
    )
    const gateway = Object.assign(new Process(name, `http://127.0.0.1:${status}`, dataDir, args), {
      traffic: `http://127.0.0.1:${http}`,
    })
    this.gateways.push(gateway)
    gateway.start()
    return gateway
  }

  /** A target that answers with its name and what it was asked for. */
  async target(name: string): Promise<string> {
    const server = createServer((incoming, response) => {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ target: name, method: incoming.method, path: incoming.url }))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    this.#targets.push(server)
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    return `http://127.0.0.1:${address.port}`
  }

  /** Waits until every running node knows of so many connected gateways. */
  async connected(count: number, headers: Record<string, string> = {}): Promise<void> {
    await until(`${count} gateways are known to every node`, async () => {
      const running = this.nodes.filter((node) => node.isRunning)
      const seen = await Promise.all(
        running.map((node) => call(`${node.url}/v1/gateways`, 'GET', undefined, headers)),
      )
      const counts = seen.map(
        ({ body }) => (body['items'] as Json[]).filter(({ connected }) => connected).length,
      )
      return counts.every((one) => one === count) ? true : null
    })
  }

  /** The node that leads, as the running nodes agree. */
  async leader(): Promise<Process> {
    return until('a leader', async () => {
      const running = this.nodes.filter((node) => node.isRunning)
      const seen = await Promise.all(running.map((node) => call(`${node.url}/v1/cluster`)))
      const names = new Set(seen.map(({ body }) => body['leader']))
      const [name] = names
      return names.size === 1 ? running.find((node) => node.name === name) : null
    })
  }

  async close(): Promise<void> {
    await Promise.all([...this.nodes, ...this.gateways].map((one) => one.kill('SIGKILL')))
    for (const server of this.#targets) {
      server.closeAllConnections()
      server.close()
    }
    await rm(this.dir, { recursive: true, force: true })
  }

  #addNode(
    peer: string,
    apiPort: number,
    { expect, options }: { readonly expect: number; readonly options: readonly string[] },
  ): Process {
    const name = `n${this.nodes.length + 1}`
    const dataDir = join(this.dir, name)
    const args = [
      'server',
      'start',
      '--name',
      name,
      '--data-dir',
      dataDir,
      '--api',
      `127.0.0.1:${apiPort}`,
    ]
    args.push(
      '--peer',
      peer,
      '--join',
      this.#peers.join(','),
      '--expect',
      String(Math.min(expect, this.#peers.length)),
      ...options,
    )
    const node = new Process(name, `http://127.0.0.1:${apiPort}`, dataDir, args)
    this.nodes.push(node)
    return node
  }
}

/** Requests without a pause from a few clients, until stopped; remembers every answer that was not 2xx. */
export class Load {
  readonly failures: string[] = []
  answers = 0
  #isStopped = false
  readonly #clients: Promise<void>[]

  constructor(urls: readonly string[], clients = 2) {
    this.#clients = Array.from({ length: clients }, (_, at) =>
      this.#run(urls[at % urls.length] ?? ''),
    )
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await Promise.all(this.#clients)
  }

  async #run(url: string): Promise<void> {
    while (!this.#isStopped) {
      try {
        const { statusCode, body } = await request(url)
        const text = await body.text()
        this.answers++
        if (statusCode < 200 || statusCode > 299) this.failures.push(`${statusCode} ${text}`)
      } catch (error) {
        this.failures.push(String(error))
      }
    }
  }
}

/** Every file below a directory, by path relative to it. */
export async function filesBelow(dir: string): Promise<ReadonlyMap<string, string>> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true })
  const files = new Map<string, string>()
  for (const entry of entries) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    files.set(path.slice(dir.length + 1), await readFile(path, 'utf8'))
  }
  return files
}
