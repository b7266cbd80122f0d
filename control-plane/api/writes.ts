import { definitionKey } from '../../shared/changes.ts'
import { GATEWAYS_ASK_MS_MAX } from '../../shared/limits.ts'
import { sendAnswer, type Answer } from './answer.ts'
import { noteWritten } from './audit.ts'
import { readBody } from './body.ts'
import { parseBody } from './body-syntax.ts'
import { carryOutWrite, type WritePlan } from './carry-out-write.ts'
import type { ApiContext } from './context.ts'
import type { ApiRequest, ApiResponse } from './exchange.ts'
import { isForwarded, type LeaderCall } from './forward.ts'
import { forwardedTarget, readWriteOptions, type WriteOptions } from './write-options.ts'

/** Reads the body of one write. Throws INVALID_DEFINITION or INVALID_REQUEST with every issue. */
export type PlanWrite = (body: unknown) => WritePlan | Promise<WritePlan>

/** Headers of a client that mean something to the leader. */
const FORWARDED_HEADERS = [
  'content-type',
  'content-encoding',
  'if-match',
  'if-none-match',
  'raftway-author',
] as const

/**
 * The whole life of a write: options, body, here or on the leader, this node's state catches up, gateways are waited
 * for if asked, answer. The bytes of the body are parsed once, on the node that leads.
 */
export async function runWrite(
  api: ApiContext,
  request: ApiRequest,
  response: ApiResponse,
  plan: PlanWrite,
): Promise<void> {
  const options = readWriteOptions(request)
  const body = await readBody(request, api.bounds.bodyBytesMax)
  const { waitMs } = options
  // Asked when the write begins, and along with it: whoever was connected by then is waited for.
  const everyGateway =
    waitMs === null ? null : api.gateways.refresh(Math.min(waitMs, GATEWAYS_ASK_MS_MAX))
  const answer = await carryOutWrite(api, {
    method: methodOf(request),
    target: forwardedTarget(request, options),
    headers: forwardedHeaders(request),
    body: body.bytes,
    isForwarded: isForwarded(request),
    caller: api.gate.admitted(request).caller,
    options,
    plan: async () => plan(parseBody(body.bytes, body.syntax)),
  })
  const isOver = options.dryRun || waitMs === null || answer.status >= 300
  if (answer.status < 300) noteWritten(request, answer.body)
  if (!isOver) await everyGateway
  sendAnswer(response, isOver ? answer : await withRollout(api, answer, options))
}

/** Runs a call that only the leader can answer, and that is no write of definitions. */
export async function runOnLeader(
  api: ApiContext,
  request: ApiRequest,
  local: (body: unknown) => Promise<Answer>,
): Promise<Answer> {
  const body = await readBody(request, api.bounds.bodyBytesMax)
  return api.forwarder.carryOut({
    method: methodOf(request),
    target: request.url,
    headers: forwardedHeaders(request),
    body: body.bytes,
    isForwarded: isForwarded(request),
    caller: api.gate.admitted(request).caller,
    isRepeatable: false,
    local: () => local(parseBody(body.bytes, body.syntax)),
  })
}

async function withRollout(
  api: ApiContext,
  answer: Answer,
  options: WriteOptions,
): Promise<Answer> {
  const body: unknown = Buffer.isBuffer(answer.body)
    ? JSON.parse(answer.body.toString())
    : answer.body
  // Writes answer with an object; a leader's answer was made by this same code.
  const members = body as Readonly<Record<string, unknown>>
  const rollout = await api.rollouts.wait({
    revision: answer.revision,
    definitions: writtenBy(members),
    timeoutMs: options.waitMs ?? 0,
  })
  return { ...answer, body: { ...members, rollout } }
}

/** Keys of the definitions that an answer names as written. */
function writtenBy(body: Readonly<Record<string, unknown>>): Set<string> {
  const written = Array.isArray(body['results']) ? (body['results'] as unknown[]) : [body]
  const keys = new Set<string>()
  for (const result of written) {
    if (result === null || typeof result !== 'object') continue
    if (!('kind' in result) || !('name' in result)) continue
    keys.add(definitionKey(String(result.kind), String(result.name)))
  }
  return keys
}

function methodOf(request: ApiRequest): LeaderCall['method'] {
  const { method } = request
  return method === 'PUT' || method === 'DELETE' ? method : 'POST'
}

function forwardedHeaders(request: ApiRequest): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const name of FORWARDED_HEADERS) {
    const value = request.headers[name]
    if (typeof value === 'string') headers[name] = value
  }
  return headers
}
