import type * as Http2 from 'node:http2'
import { isIP } from 'node:net'
import { CHECK_ANSWER_BYTES_MAX } from '../../shared/limits.ts'
import type { ActiveCheck, CompiledTarget } from '../../shared/routing/types.ts'
import { targetTls } from './target-tls.ts'

const PATH = '/grpc.health.v1.Health/Check'
/** `HealthCheckResponse.ServingStatus`. */
const STATUSES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'] as const

/** Asks by the gRPC health checking protocol, over HTTP/2: null when the service is SERVING, or why not. */
export async function probeGrpc(
  target: CompiledTarget,
  check: ActiveCheck,
  signal: AbortSignal,
): Promise<string | null> {
  const http2: typeof Http2 = process.getBuiltinModule('node:http2')
  const host = isIP(target.host) === 6 ? `[${target.host}]` : target.host
  const scheme = target.isTls ? 'https' : 'http'
  const url = `${scheme}://${host}:${check.port ?? target.port}`
  const session = http2.connect(url, target.isTls ? targetTls(check.tls, target.serverName) : {})
  const { promise, resolve, reject } = Promise.withResolvers<string | null>()
  session.on('error', reject)
  const stop = (): void => session.destroy(new Error('no answer in time'))
  signal.addEventListener('abort', stop)
  if (signal.aborted) stop()
  else
    call(
      session,
      { authority: check.host ?? target.authority, service: check.service },
      { resolve, reject },
    )
  try {
    return await promise
  } finally {
    signal.removeEventListener('abort', stop)
    session.destroy()
  }
}

function call(
  session: Http2.ClientHttp2Session,
  asked: { readonly authority: string; readonly service: string },
  told: { resolve(outcome: string | null): void; reject(error: Error): void },
): void {
  const stream = session.request({
    ':method': 'POST',
    ':path': PATH,
    ':authority': asked.authority,
    'content-type': 'application/grpc',
    te: 'trailers',
    'user-agent': 'raftway-health-check',
  })
  let answer = Buffer.alloc(0)
  let status: number | null = null
  let grpcStatus: string | null = null
  stream.on('response', (headers) => {
    status = headers[':status'] ?? null
    // An answer without a message has its trailers in front.
    grpcStatus = textOf(headers['grpc-status']) ?? grpcStatus
  })
  stream.on('trailers', (trailers) => {
    grpcStatus = textOf(trailers['grpc-status']) ?? grpcStatus
  })
  stream.on('data', (chunk: Buffer) => {
    answer = Buffer.concat([answer, chunk])
    if (answer.length > CHECK_ANSWER_BYTES_MAX) stream.destroy(new Error('too large an answer'))
  })
  // The session's own error, which says why, comes in the same turn: it is to be the first.
  stream.on('error', (error) => setImmediate(() => told.reject(error)))
  stream.on('end', () => {
    if (status !== 200) told.resolve(`status ${status ?? 0}`)
    else if (grpcStatus !== '0') told.resolve(`grpc-status ${grpcStatus ?? 'missing'}`)
    else told.resolve(verdictOf(answer))
  })
  stream.end(frameOf(asked.service))
}

function textOf(value: string | string[] | undefined): string | null {
  return typeof value === 'string' ? value : null
}

/** `HealthCheckRequest { string service = 1 }` in a frame of gRPC: no compression, length, message. */
export function frameOf(service: string): Buffer {
  const text = Buffer.from(service)
  const field = text.length === 0 ? [] : [0x0a, ...varint(text.length)]
  const head = Buffer.alloc(5)
  head.writeUInt32BE(field.length + text.length, 1)
  return Buffer.concat([head, Buffer.from(field), text])
}

function varint(value: number): number[] {
  const bytes: number[] = []
  let left = value
  while (left > 0x7f) {
    bytes.push((left & 0x7f) | 0x80)
    left >>>= 7
  }
  bytes.push(left)
  return bytes
}

/** Reads `HealthCheckResponse { ServingStatus status = 1 }` out of one frame. */
export function verdictOf(frame: Uint8Array): string | null {
  const length = frame.length < 5 ? -1 : Buffer.from(frame).readUInt32BE(1)
  if (frame[0] !== 0 || length !== frame.length - 5) return 'malformed answer'
  // Field 1, varint; an empty message has the status 0. Values above 127 are none that the protocol knows.
  const status = length === 0 ? 0 : frame[5] === 0x08 ? (frame[6] ?? 0) : -1
  if (status === 1) return null
  return STATUSES[status] ?? 'malformed answer'
}
