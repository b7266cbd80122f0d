import type { IncomingMessage, ServerResponse } from 'node:http'
import { RaftwayError } from '../../shared/errors.ts'
import { API_LINGER_MS_MAX } from '../../shared/limits.ts'
import type { BodySyntax } from './body-syntax.ts'
import { HotRequest } from './hot-request.ts'

const EMPTY = Buffer.alloc(0)

/** What a client sent beside the head, not yet parsed. */
export type RawBody = { readonly bytes: Buffer; readonly syntax: BodySyntax }

/**
 * Takes in the body of a request. UNSUPPORTED_MEDIA_TYPE; BODY_TOO_LARGE from Content-Length before anything is
 * read, or as soon as a body without it has grown past `bytesMax`; MALFORMED_BODY when the client went away.
 */
export async function readBody(
  request: IncomingMessage | HotRequest,
  bytesMax: number,
): Promise<RawBody> {
  if (isTooLarge(request, bytesMax)) throw tooLarge(bytesMax)
  const isEmpty = !hasBody(request)
  if (isEmpty) return { bytes: EMPTY, syntax: 'json' }
  const syntax = syntaxOf(request)
  if (request instanceof HotRequest) return { bytes: request.body, syntax }
  return { bytes: await collect(request, bytesMax), syntax }
}

/** Whether the head alone says that the body is over the limit. */
export function isTooLarge(request: Pick<IncomingMessage, 'headers'>, bytesMax: number): boolean {
  return Number(request.headers['content-length'] ?? 0) > bytesMax
}

/**
 * Lets a client that is still sending read the refusal: the connection ends a little later, and what comes meanwhile
 * is thrown away. Closing at once would reset the connection, and the refusal could be lost with it.
 */
export function lingerAfterRefusal(
  request: IncomingMessage,
  response: ServerResponse,
  text: string,
): void {
  response.setHeader('Connection', 'close')
  response.write(text)
  const end = (): void => {
    clearTimeout(timer)
    response.end()
  }
  const timer = setTimeout(end, API_LINGER_MS_MAX)
  request.once('end', end)
  request.once('close', end)
  request.resume()
}

function hasBody(request: Pick<IncomingMessage, 'headers'>): boolean {
  const { headers } = request
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0'
}

function syntaxOf(request: Pick<IncomingMessage, 'headers'>): BodySyntax {
  const coding = request.headers['content-encoding']
  if (coding !== undefined && coding !== 'identity') {
    throw new RaftwayError('UNSUPPORTED_MEDIA_TYPE', `Content-Encoding ${coding} is not supported.`)
  }
  const given = request.headers['content-type']
  if (given === undefined || given === 'application/json') return 'json'
  const [type = '', ...parameters] = given.toLowerCase().split(';')
  const isText = parameters.every((parameter) => {
    const [name, value] = parameter.trim().split('=')
    return name !== 'charset' || value === 'utf-8' || value === '"utf-8"' || value === 'utf8'
  })
  if (isText && /^application\/([a-z0-9.-]+\+)?json *$/.test(type)) return 'json'
  if (isText && /^(application|text)\/([a-z0-9.-]+\+|x-)?yaml *$/.test(type)) return 'yaml'
  const detail = `Content-Type ${given} is not supported; send application/json or application/yaml in UTF-8.`
  throw new RaftwayError('UNSUPPORTED_MEDIA_TYPE', detail)
}

function collect(request: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const chunks: Buffer[] = []
  let bytes = 0
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > bytesMax) {
      chunks.length = 0
      reject(tooLarge(bytesMax))
      return
    }
    chunks.push(chunk)
  })
  request.once('end', () => {
    const [only] = chunks
    resolve(chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks))
  })
  const onGone = (cause?: unknown): void => {
    reject(
      new RaftwayError('MALFORMED_BODY', 'The connection ended before the body did.', { cause }),
    )
  }
  request.once('error', onGone)
  request.once('close', onGone)
  return promise
}

function tooLarge(bytesMax: number): RaftwayError {
  const detail = `The body may have ${bytesMax} bytes (API_BODY_BYTES_MAX).`
  return new RaftwayError('BODY_TOO_LARGE', detail, { extra: { bytesMax } })
}
