import { createRequire } from 'node:module'
import { isIP } from 'node:net'
import { Readable } from 'node:stream'
import type { buildConnector, Dispatcher, Pool } from 'undici'
import { AssertionError } from '../../shared/assert.ts'
import type { ErrorCode } from '../../shared/errors.ts'
import { CALLS_WAITING_PER_TARGET_MAX, HEAD_BYTES_MAX } from '../../shared/limits.ts'
import type { CompiledTarget, CompiledUpstream } from '../../shared/routing/types.ts'
import {
  InOrder,
  type UpstreamCall,
  type UpstreamConnection,
  type UpstreamConnections,
  type UpstreamFailure,
  type UpstreamHandler,
  type UpstreamRequest,
} from './upstream-connection.ts'

// Only the two parts that are used: the whole of undici would add fetch, caches and WebSockets to every worker.
const require = createRequire(import.meta.url)
const PoolClass = require('undici/lib/dispatcher/pool.js') as typeof Pool
const connectorTo = require('undici/lib/core/connect.js') as typeof buildConnector

type SharedPool = {
  readonly key: string
  readonly pool: Pool
  readonly connectionsMax: number
  /** What a TLS target is asked for: its own name, whatever Host the client sent. */
  readonly servername: string
  /** Connections that were opened and not released. The pool closes at 0. */
  users: number
  calls: number
}

/** Connections to targets by undici's pools. */
export class UndiciConnections implements UpstreamConnections {
  readonly #pools = new Map<string, SharedPool>()
  readonly #closing = new Set<Promise<void>>()

  open(target: CompiledTarget, upstream: CompiledUpstream): UpstreamConnection {
    const { connectMs, connectionsMax, keepAliveMs } = upstream
    const { origin, serverName } = target
    const key = `${origin} ${serverName} ${connectMs} ${connectionsMax} ${keepAliveMs}`
    let shared = this.#pools.get(key)
    if (shared === undefined) {
      shared = makePool(key, target, upstream)
      this.#pools.set(key, shared)
    }
    shared.users += 1
    const held = shared
    return {
      call: (request, handler) => new UndiciCall(held, request, new InOrder(handler)),
      release: () => this.#release(held),
    }
  }

  async close(): Promise<void> {
    for (const shared of this.#pools.values()) this.#closePool(shared)
    this.#pools.clear()
    await Promise.all(this.#closing)
  }

  /** Pools that are open; for tests and figures. */
  get count(): number {
    return this.#pools.size
  }

  #release(shared: SharedPool): void {
    shared.users -= 1
    if (shared.users > 0) return
    if (this.#pools.get(shared.key) === shared) this.#pools.delete(shared.key)
    this.#closePool(shared)
  }

  #closePool(shared: SharedPool): void {
    if (shared.pool.closed || shared.pool.destroyed) return
    const closed = shared.pool.close().finally(() => this.#closing.delete(closed))
    this.#closing.add(closed)
  }
}

function makePool(key: string, target: CompiledTarget, upstream: CompiledUpstream): SharedPool {
  const connect = connectorTo({ timeout: upstream.connectMs, allowH2: false })
  const servername = target.serverName
  const pool = new PoolClass(target.origin, {
    connections: upstream.connectionsMax,
    keepAliveTimeout: upstream.keepAliveMs,
    keepAliveMaxTimeout: upstream.keepAliveMs,
    maxHeaderSize: HEAD_BYTES_MAX,
    allowH2: false,
    // An address is no server name (RFC 6066 3): the certificate is then checked against the address itself.
    connect: (options, callback) => {
      const named = isIP(servername) === 0 ? { ...options, servername } : withoutName(options)
      connect(named, callback)
    },
  })
  return { key, pool, connectionsMax: upstream.connectionsMax, servername, users: 0, calls: 0 }
}

function withoutName(options: buildConnector.Options): buildConnector.Options {
  const { servername: _, ...rest } = options
  return rest
}

/** One call: what undici tells on one side, what the pipeline tells on the other. */
class UndiciCall implements UpstreamCall, Dispatcher.DispatchHandler {
  readonly #shared: SharedPool
  readonly #request: UpstreamRequest
  readonly #handler: UpstreamHandler
  #controller: Dispatcher.DispatchController | null = null
  #body: Readable | null = null
  /** `over`: nothing is told any more, though undici may still be at it. */
  #phase: 'running' | 'over' = 'running'

  constructor(shared: SharedPool, request: UpstreamRequest, handler: UpstreamHandler) {
    this.#shared = shared
    this.#request = request
    this.#handler = handler
  }

  start(): void {
    const { method, path, host, headers, bodyLength, firstByteMs, idleMs } = this.#request
    const shared = this.#shared
    if (shared.calls >= shared.connectionsMax + CALLS_WAITING_PER_TARGET_MAX) {
      this.#phase = 'over'
      this.#handler.onError({ code: 'UPSTREAM_BUSY', detail: 'too many calls wait for the target' })
      return
    }
    shared.calls += 1
    headers.push('host', host)
    if (bodyLength !== null && (bodyLength > 0 || expectsBody(method))) {
      headers.push('content-length', String(bodyLength))
    }
    if (bodyLength !== 0) this.#body = this.#makeBody()
    // `servername` is missing from undici's types; without it a changing Host would close TLS connections.
    const options: Dispatcher.DispatchOptions & { servername: string } = {
      method,
      path,
      headers,
      body: this.#body,
      headersTimeout: firstByteMs,
      bodyTimeout: idleMs,
      servername: shared.servername,
    }
    shared.pool.dispatch(options, this)
  }

  write(chunk: Uint8Array): boolean {
    if (this.#phase === 'over' || this.#body === null || this.#body.destroyed) return true
    return this.#body.push(chunk)
  }

  end(): void {
    if (this.#phase === 'running' && this.#body?.destroyed === false) this.#body.push(null)
  }

  resume(): void {
    this.#controller?.resume()
  }

  abort(): void {
    if (this.#phase === 'over') return
    this.#phase = 'over'
    this.#giveUp()
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    // Given up while it waited for a connection.
    if (this.#phase === 'over') this.#giveUp()
    else this.#handler.onReady()
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    // RFC 9110 15.2: interim answers are not the answer.
    if (this.#phase === 'over' || status < 200) return
    this.#handler.onStart(status, textOf(controller.rawHeaders))
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#phase === 'over') return
    if (!this.#handler.onData(chunk)) controller.pause()
  }

  onResponseEnd(): void {
    this.#shared.calls -= 1
    if (this.#phase === 'over') return
    this.#phase = 'over'
    this.#handler.onEnd()
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    this.#shared.calls -= 1
    // undici takes what its handlers throw for a failed call. A broken invariant of ours is not one.
    if (error instanceof AssertionError) throwLater(error)
    if (this.#phase === 'over') return
    this.#phase = 'over'
    this.#handler.onError(failureOf(error))
  }

  #giveUp(): void {
    this.#controller?.abort(new Error('the client is gone'))
    if (this.#controller !== null) this.#body?.destroy()
  }

  #makeBody(): Readable {
    const body = new Readable({
      read: () => {
        if (this.#phase === 'running' && this.#controller !== null) this.#handler.onWritable()
      },
    })
    // undici tells a broken body through `onResponseError`; an error without a listener would end the process.
    body.on('error', () => {})
    return body
  }
}

function throwLater(error: Error): void {
  process.nextTick(() => {
    throw error
  })
}

/** Methods whose request says that it has no body rather than leaving it open (RFC 9110 8.6). */
function expectsBody(method: string): boolean {
  return method === 'POST' || method === 'PUT' || method === 'PATCH'
}

function textOf(raw: Dispatcher.DispatchController['rawHeaders']): string[] {
  if (!Array.isArray(raw)) return []
  const list: string[] = Array.from({ length: raw.length })
  for (let at = 0; at < raw.length; at++) {
    const part = raw[at]
    list[at] = typeof part === 'string' ? part : (part?.toString('latin1') ?? '')
  }
  return list
}

/** What undici and the system call a failure, as a code of ours. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  UND_ERR_CONNECT_TIMEOUT: 'UPSTREAM_TIMEOUT',
  UND_ERR_HEADERS_TIMEOUT: 'UPSTREAM_TIMEOUT',
  UND_ERR_BODY_TIMEOUT: 'UPSTREAM_TIMEOUT',
  ETIMEDOUT: 'UPSTREAM_TIMEOUT',
  UND_ERR_HTTP_PARSER: 'UPSTREAM_BAD_RESPONSE',
  UND_ERR_HEADERS_OVERFLOW: 'UPSTREAM_BAD_RESPONSE',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'UPSTREAM_BAD_RESPONSE',
  ERR_INVALID_CHAR: 'UPSTREAM_BAD_RESPONSE',
  ERR_INVALID_HTTP_TOKEN: 'UPSTREAM_BAD_RESPONSE',
  ERR_HTTP_INVALID_STATUS_CODE: 'UPSTREAM_BAD_RESPONSE',
  // The head had something that undici does not send: the client's doing.
  UND_ERR_INVALID_ARG: 'BAD_REQUEST',
  UND_ERR_NOT_SUPPORTED: 'BAD_REQUEST',
  UND_ERR_REQ_CONTENT_LENGTH_MISMATCH: 'BAD_REQUEST',
}

function failureOf(error: Error & { readonly code?: unknown }): UpstreamFailure {
  const name = typeof error.code === 'string' ? error.code : ''
  const isParser = error.name === 'HTTPParserError'
  const code = isParser ? 'UPSTREAM_BAD_RESPONSE' : (CODES[name] ?? 'UPSTREAM_UNREACHABLE')
  return { code, detail: name === '' ? error.message : `${name}: ${error.message}` }
}
