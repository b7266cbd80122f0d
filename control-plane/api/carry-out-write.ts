import { isRaftwayError, RaftwayError } from '../../shared/errors.ts'
import type { WriteAnswer, WriteRequest } from '../ports.ts'
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
  readonly plane: ApiContext['plane']
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
  const { options, method, target, body, isForwarded } = write
  let planned: Promise<WritePlan> | null = null
  const answer = await api.forwarder.carryOut({
    method,
    target,
    headers: { ...write.headers, 'idempotency-key': options.key },
    body,
    isForwarded,
    isRepeatable: true,
    async local() {
      planned ??= write.plan()
      return writeHere(api, await planned, options)
    },
  })
  if (!options.dryRun && answer.status < 300) await catchUp(api, answer)
  return answer
}

async function writeHere(
  api: WriteContext,
  plan: WritePlan,
  options: ArrivedWrite['options'],
): Promise<Answer> {
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
async function catchUp(api: WriteContext, answer: Answer): Promise<void> {
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

/** The same error, with issue paths as the client knows them. */
function withoutPath(error: unknown, hidden: string): unknown {
  if (!isRaftwayError(error) || error.issues.length === 0) return error
  const issues = error.issues.map(({ path, message }) => ({
    path: path === hidden ? '' : path.replace(`${hidden}.`, ''),
    message,
  }))
  return new RaftwayError(error.code, error.message, { cause: error, issues, extra: error.extra })
}
