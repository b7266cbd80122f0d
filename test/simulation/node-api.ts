import { localCaller } from '../../control-plane/access/caller.ts'
import type { Answer } from '../../control-plane/api/answer.ts'
import { carryOutWrite } from '../../control-plane/api/carry-out-write.ts'
import { DEFAULT_BOUNDS, type ApiBounds } from '../../control-plane/api/context.ts'
import {
  FORWARDED_HEADER,
  Forwarder,
  type ForwardedRequest,
  type ForwardPort,
} from '../../control-plane/api/forward.ts'
import { problemOf } from '../../control-plane/api/problem.ts'
import { readPoint } from '../../control-plane/api/reads.ts'
import { manyWritten } from '../../control-plane/api/transactions.ts'
import { WatchHub } from '../../control-plane/api/watch-hub.ts'
import { watchStart } from '../../control-plane/api/watch-start.ts'
import type { WatchSink } from '../../control-plane/api/watcher.ts'
import type { ControlPlane, Operation } from '../../control-plane/ports.ts'
import { unreachable } from '../../shared/assert.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Life } from './life.ts'

/** What clients ask of a node, as it stands in their requests. */
export type ApiRequest =
  | {
      readonly type: 'write'
      readonly method: 'POST'
      readonly target: string
      readonly headers: Readonly<Record<string, string>>
      readonly body: Buffer
    }
  | { readonly type: 'read'; readonly name: string; readonly isStale: boolean }
  | { readonly type: 'config'; readonly revision: number }
  | { readonly type: 'history'; readonly after: number; readonly limit: number }

/** The body of a write: operations as the command will have them. */
export type WriteBody = {
  readonly operations: readonly Operation[]
  readonly message: string
}

/** A node's API behind HTTP: the calls that clients of a simulation make, answered as the node's own API does. */
export class NodeApi {
  readonly hub: WatchHub
  readonly forwarder: Forwarder
  readonly #plane: ControlPlane
  readonly #bounds: ApiBounds
  readonly #patienceMs: number

  constructor(parts: {
    readonly plane: ControlPlane
    readonly life: Life
    readonly logger: Logger
    readonly bounds: Partial<ApiBounds>
    readonly electionMs: number
    readonly send: (request: ForwardedRequest) => Promise<Answer>
  }) {
    const { plane, life, logger, electionMs, send } = parts
    this.#plane = plane
    this.#bounds = { ...DEFAULT_BOUNDS, ...parts.bounds }
    this.#patienceMs = Math.max(1_000, 2 * electionMs)
    const port: ForwardPort = { send, close: () => Promise.resolve() }
    const metrics = { onForwarded() {}, onWatcherCutOff() {} }
    const patienceMs = this.#patienceMs
    this.hub = new WatchHub({ plane, clock: life, logger, bounds: this.#bounds, metrics })
    this.forwarder = new Forwarder({ plane, clock: life, port, metrics, logger, patienceMs })
  }

  /** Answers a request; an error becomes a problem document. */
  async answer(request: ApiRequest): Promise<Answer> {
    try {
      const { body, ...rest } = await this.#carryOut(request)
      const content = Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body))
      return { ...rest, body: content }
    } catch (error) {
      const problem = problemOf(error)
      const { revision } = this.#plane.state
      return { status: problem.status, revision, body: Buffer.from(JSON.stringify(problem)) }
    }
  }

  /** Begins a watch; throws what refuses it. */
  async watch(from: number | undefined, sink: WatchSink, isGone: () => boolean): Promise<void> {
    const start = await watchStart(this.#context, from)
    if (isGone()) return
    this.hub.assertRoom()
    this.hub.open(sink, start)
  }

  async close(): Promise<void> {
    this.hub.close()
    await this.forwarder.close()
  }

  get #context(): {
    readonly plane: ControlPlane
    readonly patienceMs: number
    readonly bounds: ApiBounds
  } {
    return { plane: this.#plane, patienceMs: this.#patienceMs, bounds: this.#bounds }
  }

  async #carryOut(request: ApiRequest): Promise<Answer> {
    const { state } = this.#plane
    switch (request.type) {
      case 'write':
        return this.#write(request)
      case 'read': {
        await readPoint(this.#context, request.isStale)
        // The state may have been replaced meanwhile.
        const { state: read } = this.#plane
        const definition = read.get('Api', request.name) ?? null
        return { status: 200, revision: read.revision, body: { definition } }
      }
      case 'config': {
        const definitions = await state.configAt(request.revision)
        return { status: 200, revision: request.revision, body: { definitions } }
      }
      case 'history': {
        const range = { after: request.after, upTo: state.revision, limit: request.limit }
        return {
          status: 200,
          revision: state.revision,
          body: { items: await state.history(range) },
        }
      }
      default:
        return unreachable(request)
    }
  }

  #write(request: Extract<ApiRequest, { type: 'write' }>): Promise<Answer> {
    const { method, target, body } = request
    const { 'idempotency-key': key = '', ...headers } = request.headers
    return carryOutWrite(
      { plane: this.#plane, forwarder: this.forwarder, bounds: this.#bounds },
      {
        method,
        target,
        headers,
        body,
        isForwarded: FORWARDED_HEADER in headers,
        caller: localCaller('client'),
        options: { key, author: 'client', dryRun: false },
        async plan() {
          // A client of the simulation sends what the command will hold; how bodies are checked is tested elsewhere.
          const { operations, message } = JSON.parse(body.toString()) as WriteBody
          const action = { type: 'operations', operations } as const
          return { action, message, ifConfigRevision: null, answer: manyWritten }
        },
      },
    )
  }
}
