import { unreachable } from '../../shared/assert.ts'
import type { Kind } from '../../shared/definitions/kinds.ts'
import { isRaftwayError, RaftwayError } from '../../shared/errors.ts'
import { authorOf, callerName, type Caller } from '../access/caller.ts'
import { missingRight } from '../access/rights.ts'
import type { ControlPlane, StateReader, WriteAnswer, WriteRequest } from '../ports.ts'
import type { Answer } from './answer.ts'
import type { ApiContext } from './context.ts'
import type { LeaderCall } from './forward.ts'
import type { WriteOptions } from './write-options.ts'

/** What a write asks of the node, read from its body, and how its result is told. */
export type WritePlan = {
  readonly action: WriteRequest['action']
  readonly message: string | null
  readonly ifConfigRevision: number | null
  /** Leading part of issue paths that the client did not write, such as `operations.0`. */
  readonly hiddenPath?: string
  readonly answer: (written: WriteAnswer) => Answer | Promise<Answer>
}

/** What a write needs of the API. */
export type WriteContext = {
  readonly plane: Pick<ControlPlane, 'write' | 'waitForRevision'> & {
    readonly state: Pick<StateReader, 'revision'>
  }
  readonly forwarder: Pick<ApiContext['forwarder'], 'carryOut'>
  readonly bounds: Pick<ApiContext['bounds'], 'catchUpMs'>
}

/** One write as it arrived, its body read and not yet parsed. */
export type ArrivedWrite = Omit<LeaderCall, 'isRepeatable' | 'local'> & {
  readonly options: Pick<WriteOptions, 'key' | 'author' | 'dryRun'>
  /** Parses the body: called at most once, and only on the node that leads. */
  plan(): Promise<WritePlan>
}

/**
 * Carries a write out, here or on the leader, and resolves when it can be read on this node. Errors as `Forwarder`,
 * `ControlPlane.write` and the plan; TIMEOUT when it stands and this node is too far behind.
 */
export async function carryOutWrite(api: WriteContext, write: ArrivedWrite): Promise<Answer> {
  const { options, method, target, body, isForwarded, caller } = write
  let planned: Promise<WritePlan> | null = null
  const answer = await api.forwarder.carryOut({
    method,
    target,
    headers: { ...write.headers, 'idempotency-key': options.key },
    body,
    isForwarded,
    caller,
    isRepeatable: true,
    async local() {
      planned ??= write.plan()
      return writeHere(api, await planned, write)
    },
  })
  if (!options.dryRun && answer.status < 300) await catchUp(api, answer)
  return answer
}

async function writeHere(
  api: WriteContext,
  plan: WritePlan,
  { options, caller }: Pick<ArrivedWrite, 'options' | 'caller'>,
): Promise<Answer> {
  const { action, message, ifConfigRevision } = plan
  const { key, dryRun } = options
  assertMayWrite(caller, action)
  const author = authorOf(caller, options.author)
  const origin = { caller: callerName(caller), role: caller.role, address: caller.address }
  const request = { key, author, origin, message, action, ifConfigRevision, dryRun }
  let written: WriteAnswer
  try {
    written = await api.plane.write(request)
  } catch (error) {
    throw plan.hiddenPath === undefined ? error : withoutPath(error, plan.hiddenPath)
  }
  const answer = await plan.answer(written)
  // A dry run makes no revision: the one it would have made must not pass for one that stands.
  return dryRun ? { ...answer, revision: api.plane.state.revision } : answer
}

/** Which kinds a write is about is known only now. FORBIDDEN. */
function assertMayWrite(caller: Caller, action: WritePlan['action']): void {
  for (const kind of kindsOf(action)) {
    const missing = missingRight(caller, { right: 'write', kind })
    if (missing === null) continue
    const detail = `${callerName(caller)} may not do this: ${missing}.`
    throw new RaftwayError('FORBIDDEN', detail, { extra: { missing: { right: 'write', kind } } })
  }
}

function kindsOf(action: WritePlan['action']): ReadonlySet<Kind> {
  switch (action.type) {
    case 'operations':
      return new Set(
        action.operations.map((each) => (each.op === 'put' ? each.definition : each).kind),
      )
    case 'edit':
      return new Set([action.kind])
    case 'replace':
      return new Set(action.definitions.map(({ kind }) => kind))
    case 'rollback':
      // The right to replace the whole config was asked for; access definitions are left alone.
      return new Set()
    default:
      return unreachable(action)
  }
}

/** What was acknowledged here can be read here. TIMEOUT if this node lags behind the leader for too long, or stops. */
async function catchUp(api: WriteContext, answer: Answer): Promise<void> {
  const { revision } = answer
  if (api.plane.state.revision >= revision) return
  try {
    await api.plane.waitForRevision(revision, api.bounds.catchUpMs)
  } catch (error) {
    // Whatever went wrong here, the write stands: no error may say that it does not.
    const detail = `The write is committed as revision ${revision}, but this node has not applied it yet.`
    throw new RaftwayError('TIMEOUT', detail, { cause: error, extra: { revision } })
  }
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
