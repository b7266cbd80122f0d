import type { IncomingMessage } from 'node:http'
import type { Request, Response } from 'express'
import { definitionKey } from '../../shared/changes.ts'
import { isRaftwayError, RaftwayError } from '../../shared/errors.ts'
import type { WriteAnswer, WriteRequest } from '../ports.ts'
import { sendAnswer, type Answer } from './answer.ts'
import { readBody, type RawBody } from './body.ts'
import { parseBody } from './body-syntax.ts'
import type { ApiContext } from './context.ts'
import { FORWARDED_HEADER, type LeaderCall } from './forward.ts'
import { forwardedTarget, readWriteOptions, type WriteOptions } from './write-options.ts'

/** What a write asks of the node, read from its body, and how its result is told. */
export type WritePlan = {
  readonly action: WriteRequest['action']
  readonly message: string | null
  readonly ifConfigRevision: number | null
  /** Leading part of issue paths that the client did not write, such as `operations.0`. */
  readonly hiddenPath?: string
  readonly answer: (written: WriteAnswer) => Answer | Promise<Answer>
}

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
  request: Request,
  response: Response,
  plan: PlanWrite,
): Promise<void> {
  const options = readWriteOptions(request)
  const body = await readBody(request, api.bounds.bodyBytesMax)
  const call = writeCall(api, request, { options, body, plan })
  const answer = await api.forwarder.carryOut(call)
  if (options.dryRun || answer.status >= 300) {
    sendAnswer(response, answer)
    return
  }
  await catchUp(api, answer)
  sendAnswer(response, options.waitMs === null ? answer : await withRollout(api, answer, options))
}

/** Runs a call that only the leader can answer, and that is no write of definitions. */
export async function runOnLeader(
  api: ApiContext,
  request: Request,
  local: (body: unknown) => Promise<Answer>,
): Promise<Answer> {
  const body = await readBody(request, api.bounds.bodyBytesMax)
  return api.forwarder.carryOut({
    method: methodOf(request),
    target: request.url,
    headers: forwardedHeaders(request),
    body: body.bytes,
    isForwarded: isForwarded(request),
    isRepeatable: false,
    local: () => local(parseBody(body.bytes, body.syntax)),
  })
}

type WriteInput = {
  readonly options: WriteOptions
  readonly body: RawBody
  readonly plan: PlanWrite
}

function writeCall(api: ApiContext, request: Request, input: WriteInput): LeaderCall {
  const { options, body } = input
  let planned: Promise<WritePlan> | null = null
  return {
    method: methodOf(request),
    target: forwardedTarget(request, options),
    headers: { ...forwardedHeaders(request), 'idempotency-key': options.key },
    body: body.bytes,
    isForwarded: isForwarded(request),
    isRepeatable: true,
    async local() {
      planned ??= planOf(input)
      return writeHere(api, await planned, options)
    },
  }
}

async function planOf({ body, plan }: WriteInput): Promise<WritePlan> {
  return plan(parseBody(body.bytes, body.syntax))
}

async function writeHere(api: ApiContext, plan: WritePlan, options: WriteOptions): Promise<Answer> {
  const { action, message, ifConfigRevision } = plan
  const { key, author, dryRun } = options
  let written: WriteAnswer
  try {
    written = await api.plane.write({ key, author, message, action, ifConfigRevision, dryRun })
  } catch (error) {
    throw plan.hiddenPath === undefined ? error : withoutPath(error, plan.hiddenPath)
  }
  const answer = await plan.answer(written)
  // A dry run makes no revision: the one it would have made must not pass for one that stands.
  return dryRun ? { ...answer, revision: api.plane.state.revision } : answer
}

/** What was acknowledged here can be read here. TIMEOUT if this node lags behind the leader for too long. */
async function catchUp(api: ApiContext, answer: Answer): Promise<void> {
  const { revision } = answer
  if (api.plane.state.revision >= revision) return
  try {
    await api.plane.waitForRevision(revision, api.bounds.catchUpMs)
  } catch (error) {
    if (!isRaftwayError(error, 'TIMEOUT')) throw error
    const detail = `The write is committed as revision ${revision}, but this node has not applied it yet.`
    throw new RaftwayError('TIMEOUT', detail, { cause: error, extra: { revision } })
  }
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

/** The same error, with issue paths as the client knows them. */
function withoutPath(error: unknown, hidden: string): unknown {
  if (!isRaftwayError(error) || error.issues.length === 0) return error
  const issues = error.issues.map(({ path, message }) => ({
    path: path === hidden ? '' : path.replace(`${hidden}.`, ''),
    message,
  }))
  return new RaftwayError(error.code, error.message, { cause: error, issues, extra: error.extra })
}

function methodOf(request: IncomingMessage): LeaderCall['method'] {
  const { method } = request
  return method === 'PUT' || method === 'DELETE' ? method : 'POST'
}

function isForwarded(request: IncomingMessage): boolean {
  return request.headers[FORWARDED_HEADER] !== undefined
}

function forwardedHeaders(request: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const name of FORWARDED_HEADERS) {
    const value = request.headers[name]
    if (typeof value === 'string') headers[name] = value
  }
  return headers
}
