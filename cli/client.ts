import { randomUUID } from 'node:crypto'
import { hostname, userInfo } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import { Agent, request, type Dispatcher } from 'undici'
import type { z } from 'zod'
import { describeError, type Issue } from '../shared/errors.ts'
import {
  CLIENT_ANSWER_BYTES_MAX,
  CLIENT_CONNECT_MS,
  CLIENT_REQUEST_MS,
  CLIENT_RETRY_MS,
  CLIENT_ROUNDS_MAX,
} from '../shared/limits.ts'
import { WATCH_FORMAT_HEADER, watchFormatIssue } from '../shared/watch-format.ts'
import { EXIT } from './exit-codes.ts'
import { ApiProblem, CommandFailure } from './failures.ts'

/** One call of the HTTP API. */
export type Call = {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE'
  /** `/v1/apis/petstore`, already encoded. */
  readonly path: string
  readonly query?: Readonly<
    Record<string, string | number | boolean | readonly string[] | undefined>
  >
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** Waiting that the call itself asks for, on top of the usual limit. */
  readonly waitMs?: number
}

/** Problems after which the same call is worth another node, or another moment. */
const RETRIED = new Set([
  'UNREACHABLE',
  'NO_LEADER',
  'NOT_LEADER',
  'NOT_FORMED',
  'STOPPING',
  'WRITE_UNCERTAIN',
  'PEER_UNREACHABLE',
])

/**
 * A client of the control plane. It tries the urls in turn, beginning with the one that answered last, and repeats a
 * write under the same Idempotency-Key, so that it happens once. Close it, or the process stays.
 */
export class ControlClient {
  readonly #urls: readonly string[]
  readonly #say: (message: string) => void
  readonly #token: string | null
  readonly #authorization: Readonly<Record<string, string>>
  readonly #ca: string | null
  readonly #agent: Agent
  /** The url that answered last. 0 ≤ at < urls. */
  #at = 0

  /** `token` is sent with every call, null for none; `say` hears, for people, why another node is tried. */
  constructor(parts: {
    readonly urls: readonly string[]
    readonly token: string | null
    /** PEM; null for whom the system believes. */
    readonly ca?: string | null
    readonly say: (message: string) => void
  }) {
    this.#urls = parts.urls
    this.#say = parts.say
    this.#token = parts.token
    this.#ca = parts.ca ?? null
    const trust = this.#ca === null ? {} : { ca: this.#ca }
    this.#agent = new Agent({ connect: { timeout: CLIENT_CONNECT_MS, ...trust }, allowH2: false })
    this.#authorization = parts.token === null ? {} : { authorization: `Bearer ${parts.token}` }
  }

  /** The node that answered last. */
  get url(): string {
    return this.#urls[this.#at] ?? ''
  }

  /** Carries out a call. Throws ApiProblem: the node's refusal, UNREACHABLE, or BAD_ANSWER when `schema` refuses it. */
  async call<T>(call: Call, schema: z.ZodType<T>): Promise<T> {
    const isRead = call.method === 'GET'
    const key = isRead ? {} : { 'idempotency-key': randomUUID(), 'raftway-author': author() }
    const headers = { accept: 'application/json', ...key, ...call.headers }
    let last: ApiProblem | null = null
    for (let round = 0; round < CLIENT_ROUNDS_MAX; round++) {
      if (round > 0) await pause(CLIENT_RETRY_MS)
      let isWorthWaiting = false
      for (let tried = 0; tried < this.#urls.length; tried++) {
        try {
          return parseAnswer(await this.#send({ ...call, headers }), schema)
        } catch (error) {
          if (!(error instanceof ApiProblem) || !RETRIED.has(error.code)) throw error
          last = moreTelling(last, error)
          // A node that is not there will not be there in a moment; one without a leader will have one.
          isWorthWaiting ||= error.status !== 0
          this.#next(error)
        }
      }
      if (!isWorthWaiting) break
    }
    throw (
      last ?? new ApiProblem({ code: 'UNREACHABLE', status: 0, detail: 'no control url is given' })
    )
  }

  /** Opens the watch on the present node. Throws like `call`, but is never repeated: the caller knows from where. */
  async openWatch(from: number | null, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    const call: Call = { method: 'GET', path: '/v1/watch', query: { from: from ?? undefined } }
    const answer = await this.#request(call, { signal, bodyTimeout: CLIENT_REQUEST_MS })
    if (answer.statusCode !== 200) throw problemOf(answer.statusCode, await answer.body.text())
    const issue = watchFormatIssue(answer.headers[WATCH_FORMAT_HEADER])
    if (issue === null) return answer.body
    // That it was not read to its end is no news to anybody.
    answer.body.once('error', () => {})
    answer.body.destroy()
    throw new CommandFailure(EXIT.error, issue)
  }

  /**
   * Opens what is too large to hold, on the first node that gives it. Throws like `call`; once it is open, a stream that
   * breaks is the caller's to begin again.
   */
  async openStream(
    path: string,
    query: NonNullable<Call['query']>,
  ): Promise<AsyncIterable<Uint8Array>> {
    let last: ApiProblem | null = null
    for (let tried = 0; tried < CLIENT_ROUNDS_MAX * this.#urls.length; tried++) {
      if (tried > 0 && tried % this.#urls.length === 0) await pause(CLIENT_RETRY_MS)
      try {
        const limits = { headersTimeout: CLIENT_REQUEST_MS, bodyTimeout: CLIENT_REQUEST_MS }
        const answer = await this.#request({ method: 'GET', path, query }, limits)
        if (answer.statusCode === 200) return answer.body
        throw problemOf(answer.statusCode, await answer.body.text())
      } catch (error) {
        if (!(error instanceof ApiProblem) || !RETRIED.has(error.code)) throw error
        last = moreTelling(last, error)
        this.#next(error)
      }
    }
    throw last ?? new ApiProblem({ code: 'UNREACHABLE', status: 0, detail: 'no url is given' })
  }

  /** The next url's turn, as after a watch that broke. */
  moveOn(): void {
    this.#at = (this.#at + 1) % this.#urls.length
  }

  /** A quiet client of one more node, in the same name. Close it. */
  another(url: string): ControlClient {
    return new ControlClient({ urls: [url], token: this.#token, ca: this.#ca, say: () => {} })
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }

  async #send(call: Call): Promise<unknown> {
    const waitMs = CLIENT_REQUEST_MS + (call.waitMs ?? 0)
    const answer = await this.#request(call, { headersTimeout: waitMs, bodyTimeout: waitMs })
    const text = await this.#read(answer)
    if (answer.statusCode < 200 || answer.statusCode > 299) throw problemOf(answer.statusCode, text)
    return parseJson(text, answer.statusCode)
  }

  async #request(
    call: Call,
    limits: Pick<Dispatcher.RequestOptions, 'headersTimeout' | 'bodyTimeout' | 'signal'>,
  ): Promise<Dispatcher.ResponseData> {
    const hasBody = call.body !== undefined
    try {
      return await request(`${this.url}${call.path}${queryText(call.query ?? {})}`, {
        ...limits,
        dispatcher: this.#agent,
        method: call.method,
        headers: {
          ...this.#authorization,
          ...call.headers,
          ...(hasBody ? { 'content-type': 'application/json' } : {}),
        },
        body: hasBody ? JSON.stringify(call.body) : null,
      })
    } catch (error) {
      throw this.#unreachable(error)
    }
  }

  async #read(answer: Dispatcher.ResponseData): Promise<string> {
    const pieces: Buffer[] = []
    let bytes = 0
    try {
      for await (const piece of answer.body as AsyncIterable<Buffer>) {
        bytes += piece.length
        if (bytes > CLIENT_ANSWER_BYTES_MAX) break
        pieces.push(piece)
      }
    } catch (error) {
      throw this.#unreachable(error)
    }
    if (bytes <= CLIENT_ANSWER_BYTES_MAX) return Buffer.concat(pieces).toString('utf8')
    const detail = `the answer is larger than ${CLIENT_ANSWER_BYTES_MAX} bytes (CLIENT_ANSWER_BYTES_MAX)`
    throw new ApiProblem({ code: 'BAD_ANSWER', status: answer.statusCode, detail })
  }

  #unreachable(error: unknown): ApiProblem {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT') {
      const detail = `${this.url} did not answer in time`
      return new ApiProblem({ code: 'TIMEOUT', status: 504, detail, cause: error })
    }
    const detail = `cannot reach ${this.url}: ${describeError(error) || code}${hintFor(code)}`
    return new ApiProblem({ code: 'UNREACHABLE', status: 0, detail, cause: error })
  }

  #next(problem: ApiProblem): void {
    const from = this.url
    this.moveOn()
    if (this.#urls.length > 1) this.#say(`${from}: ${problem.code}; trying ${this.url}`)
  }
}

/** What to do about a certificate that is not believed. */
function hintFor(code: string): string {
  return NOT_BELIEVED.has(code)
    ? ': give --ca FILE, or a --token that carries the fingerprint of the cluster authority'
    : ''
}

const NOT_BELIEVED = new Set([
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
])

/** Who writes, for the history: nothing is proved by it. */
function author(): string {
  try {
    return `${userInfo().username}@${hostname()}`
  } catch {
    // An account without an entry, as containers have.
    return `unknown@${hostname()}`
  }
}

/** Of two problems, the one to report: what a node said tells more than that another is not there. */
function moreTelling(last: ApiProblem | null, error: ApiProblem): ApiProblem {
  return last !== null && error.status === 0 ? last : error
}

function queryText(query: NonNullable<Call['query']>): string {
  const params = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined) params.append(name, String(one))
    }
  }
  return params.size === 0 ? '' : `?${params.toString()}`
}

function parseJson(text: string, status: number): unknown {
  try {
    return text === '' ? {} : (JSON.parse(text) as unknown)
  } catch (error) {
    const detail = `the answer is not JSON: ${text.slice(0, 200)}`
    throw new ApiProblem({ code: 'BAD_ANSWER', status, detail, cause: error })
  }
}

function parseAnswer<T>(body: unknown, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(body)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const detail = `the answer is not understood: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`
  throw new ApiProblem({ code: 'BAD_ANSWER', status: 200, detail, cause: parsed.error })
}

/** The refusal in a body: a problem document, or whatever something on the way has put there. */
function problemOf(status: number, text: string): ApiProblem {
  let document: Readonly<Record<string, unknown>> = {}
  try {
    const parsed: unknown = JSON.parse(text)
    if (parsed !== null && typeof parsed === 'object') document = parsed as typeof document
  } catch {
    // Not from a node: the status has to do.
  }
  const { code, detail, title, issues } = document
  const words = [detail, title].find((part) => typeof part === 'string' && part !== '')
  return new ApiProblem({
    code: typeof code === 'string' ? code : `HTTP_${status}`,
    status,
    detail: typeof words === 'string' ? words : `the answer has status ${status}`,
    issues: Array.isArray(issues) ? issues.filter(isIssue) : [],
    document: { status, ...document },
  })
}

function isIssue(value: unknown): value is Issue {
  const issue = value as { path?: unknown; message?: unknown } | null
  return typeof issue?.path === 'string' && typeof issue.message === 'string'
}
