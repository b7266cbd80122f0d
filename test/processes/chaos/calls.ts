import { Agent, request } from 'undici'

/** How long a client waits for one answer. Milliseconds. */
const ANSWER_MS_MAX = 2_000
const CONNECT_MS_MAX = 1_000

/** What a client may do with one key of the cluster: an Api whose label is the value. */
export type Call =
  | { readonly op: 'get'; readonly key: string }
  | {
      readonly op: 'put' | 'cas' | 'delete'
      readonly key: string
      readonly value: string | null
      /** Revision of the key that must stand, 0 for none; null for whatever stands. */
      readonly ifRevision: number | null
      /** Null to leave it to the node. */
      readonly idempotencyKey: string | null
    }

/** What one attempt came to, as far as the documents of the API let a client say. */
export type Outcome =
  | { readonly type: 'ok'; readonly value: string | null; readonly revision: number }
  /** It did not happen. `current`: the revision that stood against it, null when it was something else. */
  | { readonly type: 'refused'; readonly current: number | null; readonly code: string }
  /** It may have happened, or may happen yet. */
  | { readonly type: 'unknown'; readonly code: string }

/** Errors after which ERRORS.md leaves open whether a write happened. */
const UNCERTAIN = new Set(['WRITE_UNCERTAIN', 'TIMEOUT', 'INTERNAL'])

/** The HTTP of clients: one pool of connections, closed at the end. */
export class ApiClient {
  readonly #agent = new Agent({ connect: { timeout: CONNECT_MS_MAX }, pipelining: 1 })
  readonly #end = new AbortController()

  /** One attempt on one node. Never rejects. */
  async attempt(url: string, call: Call): Promise<Outcome> {
    try {
      const answer = await request(`${url}/v1/apis/${call.key}`, {
        method: call.op === 'get' ? 'GET' : call.op === 'delete' ? 'DELETE' : 'PUT',
        headers: headersOf(call),
        body: call.op === 'put' || call.op === 'cas' ? bodyOf(call.key, call.value) : null,
        dispatcher: this.#agent,
        signal: AbortSignal.any([this.#end.signal, AbortSignal.timeout(ANSWER_MS_MAX)]),
      })
      const text = await answer.body.text()
      return outcomeOf(call, answer.statusCode, JSON.parse(text) as Answer)
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
      // A connection that never stood carried nothing.
      return code === 'ECONNREFUSED'
        ? { type: 'refused', current: null, code }
        : { type: 'unknown', code }
    }
  }

  async close(): Promise<void> {
    this.#end.abort()
    await this.#agent.destroy()
  }
}

type Answer = {
  readonly code?: string
  readonly revision?: number
  readonly currentRevision?: number
  readonly labels?: { readonly value?: string }
}

function outcomeOf(call: Call, status: number, answer: Answer): Outcome {
  const { code = `status ${status}` } = answer
  if (status < 300) {
    const value = call.op === 'get' ? (answer.labels?.value ?? null) : null
    return { type: 'ok', value, revision: answer.revision ?? 0 }
  }
  if (code === 'DEFINITION_NOT_FOUND') {
    return call.op === 'get'
      ? { type: 'ok', value: null, revision: 0 }
      : { type: 'refused', current: 0, code }
  }
  if (code === 'REVISION_CONFLICT') {
    return { type: 'refused', current: answer.currentRevision ?? null, code }
  }
  return UNCERTAIN.has(code) || answer.code === undefined
    ? { type: 'unknown', code }
    : { type: 'refused', current: null, code }
}

function headersOf(call: Call): Record<string, string> {
  if (call.op === 'get') return {}
  const { ifRevision, idempotencyKey } = call
  const headers: Record<string, string> = {}
  if (call.op !== 'delete') headers['content-type'] = 'application/json'
  if (idempotencyKey !== null) headers['idempotency-key'] = idempotencyKey
  if (ifRevision === 0) headers['if-none-match'] = '*'
  else if (ifRevision !== null) headers['if-match'] = `"${ifRevision}"`
  return headers
}

function bodyOf(key: string, value: string | null): string {
  return JSON.stringify({
    labels: { value },
    spec: {
      hosts: [`${key}.test`],
      routes: [{ path: '/' }],
      upstream: { targets: [{ url: 'http://127.0.0.1:9' }] },
    },
  })
}
