import type { Response } from 'express'
import { sendAnswer } from './answer.ts'
import type { Call } from './calls.ts'
import type { ApiContext } from './context.ts'
import type { MetricsSource } from './metrics.ts'

/** Whether the process is up, whether it is of use, and what it counts. */
export function healthCalls(api: ApiContext): Call[] {
  return [
    {
      path: '/healthz',
      methods: {
        get: { need: 'open', handle: (_request, response) => health(api, response) },
      },
    },
    {
      path: '/readyz',
      methods: { get: { need: 'open', handle: (_request, response) => ready(api, response) } },
    },
    {
      path: '/metrics',
      methods: {
        get: {
          need: { right: 'metrics' },
          handle: (_request, response) => metrics(api, response),
        },
      },
    },
  ]
}

/** What the metrics read at the moment of a scrape. */
export function metricsSource(api: Omit<ApiContext, 'metrics' | 'forwarder'>): MetricsSource {
  const { plane, hub, gateways, rollouts, version } = api
  const { term, commitIndex, appliedIndex, members, leader } = plane.status()
  const { revision, count } = plane.state
  const connected = gateways.list().filter(({ status }) => status.connected)
  return {
    version,
    term,
    commitIndex,
    appliedIndex,
    members,
    revision,
    isLeader: plane.isLeader,
    hasLeader: leader !== null,
    isReady: plane.isReady(),
    definitions: count,
    watchers: hub.count,
    watcherBytesQueued: hub.bytesQueued,
    gatewaysConnected: connected.length,
    gatewaysBehind: connected.filter(({ status }) => (status.report?.revision ?? 0) < revision)
      .length,
    rolloutsWaiting: rollouts.count,
    deadMembersRemoved: plane.deadMembersRemoved,
    scrub: api.scrub(),
  }
}

function health(api: ApiContext, response: Response): void {
  const { revision } = api.plane.state
  sendAnswer(response, { status: 200, revision, body: { status: 'up', version: api.version } })
}

function ready(api: ApiContext, response: Response): void {
  const { revision } = api.plane.state
  const reason = reasonNotReady(api)
  if (reason === null) {
    sendAnswer(response, { status: 200, revision, body: { status: 'ready', revision } })
    return
  }
  const body = { status: 'not ready', reason, revision }
  sendAnswer(response, { status: 503, revision, body, headers: { 'Retry-After': '1' } })
}

function reasonNotReady(api: ApiContext): string | null {
  const { plane } = api
  if (api.isStopping()) return 'the node is stopping'
  if (plane.identity === null) return 'the node belongs to no cluster yet'
  if (plane.isReady()) return null
  if (plane.leader() === null) return 'no leader is known'
  return 'the state is catching up with the leader'
}

async function metrics(api: ApiContext, response: Response): Promise<void> {
  const { contentType, text } = await api.metrics.text()
  const { revision } = api.plane.state
  sendAnswer(response, { status: 200, revision, contentType, body: Buffer.from(text) })
}
