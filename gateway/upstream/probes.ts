import type * as Https from 'node:https'
import { connect } from 'node:net'
import { unreachable } from '../../shared/assert.ts'
import { CHECK_ANSWER_BYTES_MAX, HEAD_BYTES_MAX } from '../../shared/limits.ts'
import type { ActiveCheck, CompiledTarget } from '../../shared/routing/types.ts'
import { http } from '../node-http.ts'
import { probeGrpc } from './grpc-probe.ts'
import { targetTls } from './target-tls.ts'

/** Asks a target as its check says: null when it is well, or why not. */
export async function probeTarget(
  target: CompiledTarget,
  check: ActiveCheck,
  signal: AbortSignal,
): Promise<string | null> {
  try {
    switch (check.type) {
      case 'http':
        return await probeHttp(target, check, signal)
      case 'tcp':
        return await probeTcp(target, check, signal)
      case 'grpc':
        return await probeGrpc(target, check, signal)
      default:
        return unreachable(check.type)
    }
  } catch (error) {
    if (signal.aborted) return 'no answer in time'
    // Messages of the system carry the address, which is known; the code says it all.
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    return code === '' ? 'the check failed' : code
  }
}

/** A connection of its own, so that a pool that is busy does not look like a target that is ill. */
function probeHttp(
  target: CompiledTarget,
  check: ActiveCheck,
  signal: AbortSignal,
): Promise<string | null> {
  const { promise, resolve, reject } = Promise.withResolvers<string | null>()
  const { request: ask } = target.isTls ? httpsModule() : http
  const request = ask({
    agent: false,
    host: target.host,
    port: check.port ?? target.port,
    method: 'GET',
    path: check.path,
    headers: {
      Host: check.host ?? target.authority,
      'User-Agent': 'raftway-health-check',
      Connection: 'close',
    },
    maxHeaderSize: HEAD_BYTES_MAX,
    signal,
    ...(target.isTls ? targetTls(check.tls, target.serverName) : {}),
  })
  request.on('error', reject)
  request.on('response', (response) => {
    const { statusCode = 0 } = response
    const isWell = check.statuses?.includes(statusCode) ?? (statusCode >= 200 && statusCode < 400)
    const outcome = isWell ? null : `status ${statusCode}`
    let bytes = 0
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > CHECK_ANSWER_BYTES_MAX) response.destroy()
    })
    response.on('error', reject)
    response.on('close', () => resolve(outcome))
  })
  request.end()
  return promise
}

function httpsModule(): typeof Https {
  return process.getBuiltinModule('node:https')
}

function probeTcp(
  target: CompiledTarget,
  check: ActiveCheck,
  signal: AbortSignal,
): Promise<string | null> {
  const { promise, resolve, reject } = Promise.withResolvers<string | null>()
  const socket = connect({ host: target.host, port: check.port ?? target.port, signal })
  socket.on('error', reject)
  socket.on('connect', () => {
    socket.destroy()
    resolve(null)
  })
  return promise
}
