// Whole nodes with TLS in this process: real sockets, real disks, and everything that they log.
import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { request as httpsRequest } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startServer, type Server } from '../../../control-plane/main.ts'
import type { ServerOptions } from '../../../control-plane/options.ts'
import { formatToken, hashOfSecret } from '../../../shared/token-text.ts'
import { LineLogger } from './certificates.ts'

export type SecureServer = {
  readonly server: Server
  readonly log: LineLogger
  readonly dataDir: string
  readonly options: ServerOptions
}

export type Answer = { readonly status: number; readonly body: Record<string, unknown> }

/** Everything started here is stopped by `closeAll`. */
export class SecureNodes {
  readonly #servers = new Set<Server>()
  readonly #dirs: string[] = []

  async directory(): Promise<string> {
    const dir = await mkdtemp(join(tmpdir(), 'raftway-tls-'))
    this.#dirs.push(dir)
    return dir
  }

  async start(name: string, given: Partial<ServerOptions> = {}): Promise<SecureServer> {
    const log = new LineLogger()
    const dataDir = given.dataDir ?? (await this.directory())
    const options: ServerOptions = {
      name,
      dataDir,
      api: { host: '127.0.0.1', port: 0 },
      peer: { host: '127.0.0.1', port: 0 },
      join: [],
      expect: null,
      advertiseApi: null,
      advertisePeer: null,
      tls: 'on',
      auth: 'off',
      logger: log,
      ...given,
    }
    const server = await startServer(options)
    this.#servers.add(server)
    return { server, log, dataDir, options }
  }

  async stop({ server }: SecureServer): Promise<void> {
    this.#servers.delete(server)
    await server.stop()
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#servers].map((server) => server.stop()))
    this.#servers.clear()
    for (const dir of this.#dirs.splice(0)) await rm(dir, { recursive: true, force: true })
  }
}

/** One call of the API, believing `ca`, as the holder of `pair` if one is given. */
export function call(
  url: string,
  how: {
    readonly ca: string
    readonly method?: string
    readonly body?: unknown
    readonly token?: string
    readonly pair?: { readonly key: string; readonly cert: string }
  },
): Promise<Answer> {
  const { ca, method = 'GET', body, token, pair } = how
  return new Promise((resolve, reject) => {
    const headers = {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    }
    const request = httpsRequest(
      url,
      { ca, method, headers, agent: false, ...pair },
      (response) => {
        const pieces: Buffer[] = []
        response.on('data', (piece: Buffer) => pieces.push(piece))
        response.on('error', reject)
        response.on('end', () => {
          const text = Buffer.concat(pieces).toString()
          const parsed = text === '' ? {} : (JSON.parse(text) as Record<string, unknown>)
          resolve({ status: response.statusCode ?? 0, body: parsed })
        })
      },
    )
    request.on('error', reject)
    request.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

/** A token with the definition that it goes by. */
export function aToken(
  letter: 't' | 'j',
  spec: Readonly<Record<string, unknown>>,
  fingerprint: string,
): { readonly name: string; readonly text: string; readonly spec: Record<string, unknown> } {
  const secret = randomBytes(32).toString('base64url')
  const name = `t-${randomUUID()}`
  const text = formatToken({ letter, name, secret, fingerprint })
  return { name, text, spec: { ...spec, hash: hashOfSecret(secret) } }
}

/** Resolves when `isTrue` is, or rejects with `what` after `ms`. */
export async function until(
  what: string,
  isTrue: () => boolean | Promise<boolean>,
  ms = 15_000,
): Promise<void> {
  const deadline = performance.now() + ms
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new Error(`not within ${ms} ms: ${what}`)
    await new Promise((resolve) => {
      setTimeout(resolve, 20)
    })
  }
}
