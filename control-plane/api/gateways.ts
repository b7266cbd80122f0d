import type { Request, Response } from 'express'
import { zodIssues } from '../../shared/definitions/issues.ts'
import { RaftwayError } from '../../shared/errors.ts'
import { gatewayReportSchema } from '../../shared/watch-protocol.ts'
import type { GatewayStatus } from '../ports.ts'
import { sendAnswer } from './answer.ts'
import { readBody } from './body.ts'
import { parseBody } from './body-syntax.ts'
import { pathName, type Call } from './calls.ts'
import type { ApiContext } from './context.ts'
import { checkGatewayName } from './gateway-name.ts'
import { Query } from './query.ts'

/** The gateways that the cluster knows, and what they tell of themselves. */
export function gatewayCalls(api: ApiContext): Call[] {
  return [
    {
      path: '/v1/gateways',
      methods: {
        get: {
          need: { right: 'read' },
          handle: (request, response) => listGateways(api, request, response),
        },
      },
    },
    {
      path: '/v1/gateways/{name}/report',
      methods: {
        post: {
          need: { right: 'report' },
          handle: (request, response) => takeReport(api, request, response),
        },
      },
    },
  ]
}

function listGateways(api: ApiContext, request: Request, response: Response): void {
  new Query(request.url, []).finish()
  const { revision } = api.plane.state
  const items = api.gateways.list().map(({ status, labels }) => ({
    ...gatewayItem(status, revision),
    labels,
  }))
  sendAnswer(response, { status: 200, revision, body: { items } })
}

async function takeReport(api: ApiContext, request: Request, response: Response): Promise<void> {
  const name = pathName(request)
  const query = new Query(request.url, [])
  checkGatewayName(query, 'name', name)
  query.finish()
  const body = await readBody(request, api.bounds.bodyBytesMax)
  const parsed = gatewayReportSchema.safeParse(parseBody(body.bytes, body.syntax))
  if (!parsed.success) {
    const issues = zodIssues(parsed.error, gatewayReportSchema, '')
    throw new RaftwayError('INVALID_REQUEST', 'The report is not valid.', { issues })
  }
  api.gateways.report(name, parsed.data)
  response.statusCode = 204
  response.end()
}

/** What a gateway serves is null until it has said so; `behind` counts revisions, `lastReportMs` the time since. */
function gatewayItem(status: GatewayStatus, revision: number): object {
  const { name, node, connected, lastReportMs, report } = status
  return {
    name,
    node,
    connected,
    revision: report?.revision ?? null,
    hash: report?.hash ?? null,
    behind: report === null ? null : Math.max(0, revision - report.revision),
    lastReportMs,
    version: report?.version ?? null,
    workers: report?.workers ?? null,
    routes: report?.routes ?? null,
    source: report?.source ?? null,
    status: report?.status ?? null,
    quarantined: report?.quarantined ?? [],
  }
}
