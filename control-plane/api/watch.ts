import type { Request, Response } from 'express'
import { RaftwayError } from '../../shared/errors.ts'
import type { Need } from '../access/rights.ts'
import { WATCH_FORMAT } from '../../shared/watch-format.ts'
import type { Call } from './calls.ts'
import type { ApiContext } from './context.ts'
import { checkGatewayName } from './gateway-name.ts'
import { Query } from './query.ts'
import { watchStart } from './watch-start.ts'

/** `GET /v1/watch`: newline-delimited JSON, as `shared/watch-protocol.ts` has it. */
export function watchCalls(api: ApiContext): Call[] {
  return [
    {
      path: '/v1/watch',
      isOpenEnded: true,
      methods: {
        get: { need: needOf, handle: (request, response) => watch(api, request, response) },
      },
    },
  ]
}

/** Whoever watches under a gateway's name counts as one, and is waited for. */
function needOf(request: Request): Need {
  return { right: namesGateway(request) ? 'follow' : 'watch' }
}

function namesGateway(request: Request): boolean {
  return new URLSearchParams(request.url.replace(/^[^?]*/, '')).has('gateway')
}

async function watch(api: ApiContext, request: Request, response: Response): Promise<void> {
  const query = new Query(request.url, ['from', 'gateway', 'label.*'])
  const from = query.integer('from', { min: 0, max: Number.MAX_SAFE_INTEGER })
  const gateway = query.text('gateway')
  if (gateway !== undefined) checkGatewayName(query, 'gateway', gateway)
  const labels = query.below('label.')
  query.finish()
  const start = await watchStart(api, from)
  if (response.destroyed) return
  if (api.isStopping()) throw new RaftwayError('STOPPING', 'This node is stopping.')
  api.hub.assertRoom()
  response.statusCode = 200
  response.setHeader('Raftway-Revision', api.plane.state.revision)
  // A gateway of the same version need not check again what this node has checked with the same schemas.
  response.setHeader('Raftway-Version', api.version)
  response.setHeader('Raftway-Watch-Format', WATCH_FORMAT)
  response.setHeader('Content-Type', 'application/x-ndjson; charset=utf-8')
  if (request.method === 'HEAD') {
    response.end()
    return
  }
  response.flushHeaders()
  if (gateway !== undefined) {
    response.once('close', api.gateways.watchOpened(gateway, labels))
  }
  const { hub } = api
  // A gateway checks the hash of what it is sent, and opens secrets with a key of its own.
  const watcher =
    gateway === undefined ? hub.openRedacted(response, start) : hub.open(response, start)
  const forget = api.gate.watchOver(request, (code, reason) => watcher.end(code, reason))
  response.once('close', forget)
  if (gateway !== undefined) {
    response.once(
      'close',
      api.gateways.resyncBy(gateway, () => watcher.reset()),
    )
  }
}
