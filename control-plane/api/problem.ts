import type { ServerResponse } from 'node:http'
import { AssertionError } from '../../shared/assert.ts'
import {
  describeError,
  ERROR_CODES,
  isRaftwayError,
  RaftwayError,
  type ErrorCode,
  type ErrorSpec,
  type Issue,
} from '../../shared/errors.ts'
import type { Logger } from '../../shared/logger.ts'
import type { HotResponse } from './hot-response.ts'

/** Seconds after which a refused call may be tried again: an election is over by then. */
const RETRY_AFTER_SECONDS = '1'

/** `application/problem+json` as RFC 9457 has it, with the stable code and every issue. */
export type Problem = {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: ErrorCode
  readonly issues: readonly Issue[]
  readonly [member: string]: unknown
}

/** The problem document of an error. Anything but a RaftwayError is INTERNAL, and its text stays inside. */
export function problemOf(error: unknown): Problem {
  if (!isRaftwayError(error)) {
    return problem('INTERNAL', 'The node failed at this; its log says why.', [], {})
  }
  return problem(error.code, error.message, error.issues, error.extra)
}

/** Answers with the problem document of `error`. The connection ends if the head was sent before. */
export function sendProblem(response: ServerResponse | HotResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy()
    return
  }
  const document = problemOf(error)
  const text = JSON.stringify(document)
  response.statusCode = document.status
  response.setHeader('Content-Type', 'application/problem+json; charset=utf-8')
  response.setHeader('Content-Length', Buffer.byteLength(text))
  response.removeHeader('ETag')
  if (document.status === 401) response.setHeader('WWW-Authenticate', 'Bearer realm="raftway"')
  if (document.status === 429) {
    const { retryAfterSeconds: seconds } = document
    response.setHeader('Retry-After', typeof seconds === 'number' ? seconds : RETRY_AFTER_SECONDS)
  }
  if (document.status === 503 && ERROR_CODES[document.code].retry !== 'never') {
    response.setHeader('Retry-After', RETRY_AFTER_SECONDS)
  }
  response.end(text)
}

/** What an error thrown by a call becomes: the web framework's own complaints get a code of ours. */
export function asApiError(error: unknown): unknown {
  const isUndecodable = error instanceof URIError || statusOf(error) === 400
  if (!isUndecodable || isRaftwayError(error)) return error
  return new RaftwayError('INVALID_REQUEST', 'The path is not percent-encoded UTF-8.', {
    cause: error,
    issues: [{ path: 'path', message: 'is not percent-encoded UTF-8' }],
  })
}

/** Says in the log what is ours to know; a client's own mistakes are not. */
export function logFailure(logger: Logger, call: string, error: unknown): void {
  if (!isRaftwayError(error)) {
    const stack = error instanceof Error ? error.stack : undefined
    logger.error({ call, error: describeError(error), stack }, 'a call failed')
  } else if (blameOf(error.code) === 'raftway') {
    logger.warn({ call, code: error.code, error: error.message }, 'a call was refused')
  }
  // A broken invariant ends the process, as everywhere; the client has its answer by then.
  if (error instanceof AssertionError) {
    setImmediate(() => {
      throw error
    })
  }
}

function problem(
  code: ErrorCode,
  detail: string,
  issues: readonly Issue[],
  extra: Readonly<Record<string, unknown>>,
): Problem {
  const { status, title } = ERROR_CODES[code]
  return { ...extra, type: `urn:raftway:error:${code}`, title, status, detail, code, issues }
}

function blameOf(code: ErrorCode): ErrorSpec['blame'] {
  return ERROR_CODES[code].blame
}

function statusOf(error: unknown): unknown {
  return error instanceof Error && 'status' in error ? error.status : undefined
}
