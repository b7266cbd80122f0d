// Three members of etcd on this machine, as Debian packages it, and its calls as bytes.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { call, freePort, until } from '../../processes/processes.ts'
import { bytesField, grpcCall, RawGrpc, type GrpcCall } from './raw-grpc.ts'
import { RawHttp, requestBytes } from './raw-http.ts'
import type { Client } from './load.ts'

const PROGRAM = 'etcd'

export type KeyValue = { readonly key: string; readonly value: string }

/** `3.4.23`, or null when etcd is not installed. */
export function etcdVersion(): string | null {
  try {
    const text = execFileSync(PROGRAM, ['--version'], { encoding: 'utf8' })
    return /Version: (\S+)/.exec(text)?.[1] ?? 'unknown'
  } catch {
    return null
  }
}

type Member = { readonly port: number; readonly child: ChildProcess }

/** A cluster of three. */
export class Etcd {
  readonly #members: readonly Member[]

  private constructor(members: readonly Member[]) {
    this.#members = members
  }

  /** Starts fresh members below `dir` and waits until each answers. */
  static async start(dir: string): Promise<Etcd> {
    const ports = await Promise.all(Array.from({ length: 6 }, freePort))
    const url = (at: number) => `http://127.0.0.1:${ports[at] ?? 0}`
    const cluster = [0, 1, 2].map((at) => `m${at}=${url(at + 3)}`).join(',')
    const members = [0, 1, 2].map((at): Member => {
      const options = {
        name: `m${at}`,
        'data-dir': join(dir, `etcd-${at}`),
        'listen-client-urls': url(at),
        'advertise-client-urls': url(at),
        'listen-peer-urls': url(at + 3),
        'initial-advertise-peer-urls': url(at + 3),
        'initial-cluster': cluster,
        'initial-cluster-state': 'new',
        logger: 'zap',
        'log-level': 'error',
      }
      const args = Object.entries(options).map(([name, value]) => `--${name}=${value}`)
      return { port: ports[at] ?? 0, child: spawn(PROGRAM, args, { stdio: 'ignore' }) }
    })
    const etcd = new Etcd(members)
    await etcd.leaderAt()
    return etcd
  }

  get pids(): readonly number[] {
    return this.#members.map(({ child }) => child.pid ?? 0)
  }

  get ports(): readonly number[] {
    return this.#members.map(({ port }) => port)
  }

  /** Position of the member that leads. */
  leaderAt(): Promise<number> {
    return until('a leader of etcd', async () => {
      for (const [at, { port }] of this.#members.entries()) {
        const { body } = await call(`http://127.0.0.1:${port}/v3/maintenance/status`, 'POST', {})
        const header = body['header'] as { member_id?: string } | undefined
        if (header?.member_id !== undefined && header.member_id === body['leader']) return at
      }
      return null
    })
  }

  async close(): Promise<void> {
    for (const { child } of this.#members) {
      if (child.exitCode !== null) continue
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    }
  }
}

/** The calls of one kind of load; each is made before it is sent. */
export type EtcdCalls = {
  http(at: number): Buffer
  grpc(at: number): GrpcCall
}

export function puts(pairs: readonly KeyValue[]): EtcdCalls {
  const http = pairs.map(({ key, value }) =>
    requestBytes('POST', '/v3/kv/put', { key: base64(key), value: base64(value) }),
  )
  const grpc = pairs.map((pair) => grpcCall('/etcdserverpb.KV/Put', putMessage(pair)))
  return callsOf(http, grpc)
}

/** Transactions of as many puts as a group has. */
export function transactions(groups: readonly (readonly KeyValue[])[]): EtcdCalls {
  const http = groups.map((group) => {
    const success = group.map(({ key, value }) => ({
      requestPut: { key: base64(key), value: base64(value) },
    }))
    return requestBytes('POST', '/v3/kv/txn', { success })
  })
  const grpc = groups.map((group) => {
    // TxnRequest.success = 2: RequestOp; RequestOp.request_put = 2.
    const success = group.map((pair) => bytesField(2, bytesField(2, putMessage(pair))))
    return grpcCall('/etcdserverpb.KV/Txn', Buffer.concat(success))
  })
  return callsOf(http, grpc)
}

/** Linearizable reads of one key, which is how etcd reads unless it is told otherwise. */
export function ranges(keys: readonly string[]): EtcdCalls {
  const http = keys.map((key) => requestBytes('POST', '/v3/kv/range', { key: base64(key) }))
  const grpc = keys.map((key) =>
    grpcCall('/etcdserverpb.KV/Range', bytesField(1, Buffer.from(key))),
  )
  return callsOf(http, grpc)
}

export async function httpClient(port: number, calls: EtcdCalls): Promise<Client> {
  const connection = await RawHttp.open(port)
  return {
    async call(at) {
      const { status, body } = await connection.call(calls.http(at))
      if (status !== 200) throw new Error(`etcd answered ${status}: ${body.toString()}`)
    },
    close: () => connection.close(),
  }
}

export async function grpcClient(port: number, calls: EtcdCalls): Promise<Client> {
  const connection = await RawGrpc.open(port)
  return { call: (at) => connection.call(calls.grpc(at)), close: () => connection.close() }
}

function callsOf(http: readonly Buffer[], grpc: readonly GrpcCall[]): EtcdCalls {
  return { http: (at) => cyclic(http, at), grpc: (at) => cyclic(grpc, at) }
}

/** The items again and again. */
export function cyclic<T>(items: readonly T[], at: number): T {
  const item = items[at % items.length]
  if (item === undefined) throw new Error('there are no items')
  return item
}

function putMessage({ key, value }: KeyValue): Buffer {
  return Buffer.concat([bytesField(1, Buffer.from(key)), bytesField(2, Buffer.from(value))])
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}
