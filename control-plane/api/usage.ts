import type { Request, Response } from 'express'
import { zodIssues } from '../../shared/definitions/issues.ts'
import type { Definition } from '../../shared/definitions/kinds.ts'
import { entitledQuotas } from '../../shared/entitlements.ts'
import { RaftwayError } from '../../shared/errors.ts'
import { LIMIT_MAX } from '../../shared/limits.ts'
import { calendarStart, periodEnd } from '../../shared/quota-period.ts'
import { usageReportSchema } from '../../shared/usage-protocol.ts'
import type { QuotaUsage } from '../ports.ts'
import { sendAnswer } from './answer.ts'
import { pathName, type Call } from './calls.ts'
import type { ApiContext } from './context.ts'
import { Envelope } from './envelope.ts'
import { checkGatewayName } from './gateway-name.ts'
import { Query } from './query.ts'
import { runOnLeader } from './writes.ts'

const WRITE = { right: 'write', kind: 'Consumer' } as const
const READ = { right: 'read', kind: 'Consumer' } as const

/** What Consumers have used of their quotas: gateways report it, people read and change it. */
export function usageCalls(api: ApiContext): Call[] {
  return [
    {
      path: '/v1/gateways/{name}/usage',
      methods: {
        post: {
          need: { right: 'report' },
          handle: (request, response) => takeUsage(api, request, response),
        },
      },
    },
    {
      path: '/v1/consumers/{name}/usage',
      methods: {
        get: { need: READ, handle: (request, response) => showUsage(api, request, response) },
      },
    },
    {
      path: '/v1/consumers/{name}/quotas/{quota}/reset',
      methods: {
        post: { need: WRITE, handle: (request, response) => reset(api, request, response) },
      },
    },
    {
      path: '/v1/consumers/{name}/quotas/{quota}/top-up',
      methods: {
        post: { need: WRITE, handle: (request, response) => topUp(api, request, response) },
      },
    },
  ]
}

async function takeUsage(api: ApiContext, request: Request, response: Response): Promise<void> {
  const query = new Query(request.url, [])
  checkGatewayName(query, 'name', pathName(request))
  query.finish()
  const answer = await runOnLeader(api, request, async (body) => {
    const parsed = usageReportSchema.safeParse(body)
    if (!parsed.success) {
      const issues = zodIssues(parsed.error, usageReportSchema, '')
      throw new RaftwayError('INVALID_REQUEST', 'The report is not valid.', { issues })
    }
    const counted = await api.plane.usage.count(parsed.data)
    return { status: 200, revision: api.plane.state.revision, body: counted }
  })
  sendAnswer(response, answer)
}

function showUsage(api: ApiContext, request: Request, response: Response): void {
  new Query(request.url, []).finish()
  const { state, usage } = api.plane
  const consumer = consumerOf(api, pathName(request))
  const used = usage.of(consumer.name)?.quotas ?? {}
  const plans = new Map(
    (consumer.spec.plans ?? []).flatMap((plan) => planSpec(state.get('Plan', plan))),
  )
  const quotas = entitledQuotas(consumer.spec, plans).map(({ quota, from }) => {
    const names = Object.keys(used).filter((name) => name.split('/', 1)[0] === quota.name)
    const shown = names.length > 0 || quota.by === 'key' ? names : [quota.name]
    return {
      ...quota,
      from,
      usage: shown.map((name) => usageItem(quota, name, used[name])),
    }
  })
  const body = { consumer: consumer.name, plans: consumer.spec.plans ?? [], quotas }
  sendAnswer(response, { status: 200, revision: state.revision, body })
}

export function planSpec(definition: Definition | undefined) {
  return definition?.kind === 'Plan' ? [[definition.name, definition.spec] as const] : []
}

/** How one quota, or one key's share of it, stands now: a period that is over counts for nothing. */
function usageItem(
  quota: ReturnType<typeof entitledQuotas>[number]['quota'],
  name: string,
  standing: QuotaUsage | undefined,
): object {
  const nowMs = Date.now()
  const startMs = calendarStart(quota, nowMs)
  const isOver =
    standing === undefined ||
    (startMs === null ? periodEnd(quota, standing.startMs) <= nowMs : standing.startMs < startMs)
  const beganMs = isOver ? startMs : standing.startMs
  const used = isOver ? 0 : standing.used
  const key = name.includes('/') ? { key: name.slice(name.indexOf('/') + 1) } : {}
  return {
    ...key,
    used,
    left: Math.max(0, quota.limit - used),
    startedAt: beganMs === null ? null : new Date(beganMs).toISOString(),
    endsAt: beganMs === null ? null : new Date(periodEnd(quota, beganMs)).toISOString(),
    previous:
      standing === undefined
        ? null
        : isOver
          ? { startedAt: new Date(standing.startMs).toISOString(), used: standing.used }
          : standing.previous === null
            ? null
            : {
                startedAt: new Date(standing.previous.startMs).toISOString(),
                used: standing.previous.used,
              },
  }
}

async function reset(api: ApiContext, request: Request, response: Response): Promise<void> {
  await adjust(api, { request, response }, (body) => {
    new Envelope(body, []).finish('INVALID_REQUEST')
    return null
  })
}

async function topUp(api: ApiContext, request: Request, response: Response): Promise<void> {
  await adjust(api, { request, response }, (body) => {
    const envelope = new Envelope(body, ['amount'])
    const amount = envelope.requiredInteger('amount', { min: 1, max: LIMIT_MAX })
    envelope.finish('INVALID_REQUEST')
    return amount
  })
}

async function adjust(
  api: ApiContext,
  { request, response }: { readonly request: Request; readonly response: Response },
  amountOf: (body: unknown) => number | null,
): Promise<void> {
  new Query(request.url, []).finish()
  const { quota } = request.params
  const consumer = pathName(request)
  const answer = await runOnLeader(api, request, async (body) => {
    const amount = amountOf(body)
    consumerOf(api, consumer)
    const { totals } = await api.plane.usage.adjust({ consumer, quota: String(quota), amount })
    const [total] = totals
    if (total === undefined) {
      const detail = `${consumer} has used nothing of a quota ${String(quota)} yet.`
      throw new RaftwayError('DEFINITION_NOT_FOUND', detail)
    }
    const { used, startMs } = total
    const startedAt = new Date(startMs).toISOString()
    return {
      status: 200,
      revision: api.plane.state.revision,
      body: { consumer, quota, used, startedAt },
    }
  })
  sendAnswer(response, answer)
}

function consumerOf(api: ApiContext, name: string): Extract<Definition, { kind: 'Consumer' }> {
  const found = api.plane.state.get('Consumer', name)
  if (found?.kind === 'Consumer') return found
  throw new RaftwayError('DEFINITION_NOT_FOUND', `There is no Consumer ${name}.`)
}
