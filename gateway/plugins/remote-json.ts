import { Agent, request } from 'undici'
import {
  HEAD_BYTES_MAX,
  REMOTE_ANSWER_BYTES_MAX,
  REMOTE_CONNECTIONS_MAX,
} from '../../shared/limits.ts'

/** A call of an authorization server. */
type RemoteCall = {
  readonly url: string
  /** Fields of a form, which is posted; without it the call is a GET. */
  readonly form?: Readonly<Record<string, string>>
  /** Authorization field, if one is sent. */
  readonly authorization?: string
  readonly timeoutMs: number
}

/** What came back. */
export type RemoteAnswer = { readonly status: number; readonly body: unknown }

/** One for all calls of a worker. It verifies certificates, as undici does by itself, and follows no redirect. */
const agent = new Agent({
  connections: REMOTE_CONNECTIONS_MAX,
  maxHeaderSize: HEAD_BYTES_MAX,
})

/**
 * Makes a call and reads the JSON of its answer, whatever its status; a body that is no JSON is null. Rejects when there is
 * no answer in time, or one of more than REMOTE_ANSWER_BYTES_MAX; never with anything of what was sent.
 */
export async function callJson({
  url,
  form,
  authorization,
  timeoutMs,
}: RemoteCall): Promise<RemoteAnswer> {
  const { statusCode, body } = await request(url, {
    dispatcher: agent,
    method: form === undefined ? 'GET' : 'POST',
    signal: AbortSignal.timeout(timeoutMs),
    headers: {
      accept: 'application/json',
      'user-agent': 'raftway',
      ...(form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
      ...(authorization === undefined ? {} : { authorization }),
    },
    ...(form === undefined ? {} : { body: new URLSearchParams(form).toString() }),
  })
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > REMOTE_ANSWER_BYTES_MAX) throw new Error('the answer is too large')
    chunks.push(chunk)
  }
  return { status: statusCode, body: parsed(Buffer.concat(chunks).toString()) }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return null
  }
}

/** The Authorization field of a client with a secret (RFC 6749 2.3.1): both are escaped as in forms first. */
export function clientAuthorization(clientId: string, secret: string): string {
  const escaped = [clientId, secret].map((each) =>
    new URLSearchParams({ '': each }).toString().slice(1),
  )
  return `Basic ${Buffer.from(escaped.join(':')).toString('base64')}`
}
