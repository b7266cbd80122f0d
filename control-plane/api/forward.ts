import type { IncomingMessage } from 'node:http'
import { describeError, ERROR_CODES, isRaftwayError, RaftwayError } from '../../shared/errors.ts'
import { FORWARD_LOOK_MS, FORWARD_RETRY_MS_MAX, FORWARD_RETRY_MS_MIN } from '../../shared/limits.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Clock } from '../clock.ts'
import { CALLER_HEADER, encodeCaller, type Caller } from '../access/caller.ts'
import type { ControlPlane, NodeAddress, NodeId } from '../ports.ts'
import type { Answer } from './answer.ts'
import type { Metrics } from './metrics.ts'

/** Names the node that forwards; a call that carries it is never forwarded again. */
export const FORWARDED_HEADER = 'raftway-forwarded'

/** What a `ForwardPort` calls an error that came before there was a connection. */
export const NOT_CONNECTED = 'NOT_CONNECTED'

/** Whether a call came from another node. */
export function isForwarded(request: Pick<IncomingMessage, 'headers'>): boolean {
  return request.headers[FORWARDED_HEADER] !== undefined
}

/** How often a forwarded call looks whether the node it went to still leads. */
const LEADER_CHECK_MS = 50

/** A call that only the leader can carry out. */
export type LeaderCall = {
  readonly method: 'PUT' | 'POST' | 'DELETE'
  /** Path and query as the leader shall see them. */
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  /** It came from another node: carried out here or not at all. */
  readonly isForwarded: boolean
  /** Who makes it: the node that took the call has found that out, and the leader goes by it. */
  readonly caller: Caller
  /** Its key makes a repeat harmless; without one, an attempt whose outcome is unknown is the last. */
  readonly isRepeatable: boolean
  /** Carries it out on this node, which leads. */
  local(): Promise<Answer>
}

/** The request that a forwarded call becomes. */
export type ForwardedRequest = Pick<
  LeaderCall,
  'method' | 'target' | 'headers' | 'body' | 'isRepeatable'
> & {
  /** Base URL of the leader's API. */
  readonly origin: string
  /** Aborted when the answer is no longer wanted. */
  readonly signal: AbortSignal
}

/** What one answer of the leader looks like to whoever forwards. */
export type ForwardPort = {
  /** Resolves with whatever is answered. An error's `code` says what broke; NEVER_SENT ones did no harm. */
  send(request: ForwardedRequest): Promise<Answer>
  close(): Promise<void>
}

type Attempt =
  | { readonly type: 'answered'; readonly answer: Answer }
  | {
      readonly type: 'failed'
      /** Who was asked. */
      readonly by: NodeId
      readonly isUncertain: boolean
      readonly reason: string
    }
  /** The patience was spent on waiting for one. */
  | { readonly type: 'no-leader'; readonly reason: string }

type InFlight = {
  readonly leader: NodeAddress
  readonly isRepeatable: boolean
  readonly abort: AbortController
}

export type ForwarderOptions = {
  readonly plane: ControlPlane
  readonly clock: Clock
  readonly port: ForwardPort
  readonly metrics: Pick<Metrics, 'onForwarded'>
  readonly logger: Logger
  /** How long a call looks for a leader: two election timeouts. Milliseconds. */
  readonly patienceMs: number
  /** The port shows the leader a certificate of this node. */
  readonly isMutual?: boolean
}

/** Brings calls to the leader, wherever it is, and stays with them over a change of leader. */
export class Forwarder {
  readonly #options: ForwarderOptions
  readonly #inFlight = new Set<InFlight>()
  /** Ends the look-outs for another leader, while calls are under way. */
  #endLeaderCheck: (() => void) | null = null

  constructor(options: ForwarderOptions) {
    this.#options = options
  }

  /**
   * The leader's answer, this node's own if it leads. Attempts that met no leader are repeated until the patience is
   * over: then NO_LEADER, or WRITE_UNCERTAIN if one of them may have been carried out.
   */
  async carryOut(call: LeaderCall): Promise<Answer> {
    const { plane, clock } = this.#options
    if (call.isForwarded) return carryOutHere(plane, call)
    let isUncertain = false
    let deadline: number | null = null
    let pauseMs = FORWARD_RETRY_MS_MIN
    for (;;) {
      const attempt = await this.#attempt(call, deadline).catch((error: unknown) => {
        throw isUncertain && leavesOpen(statusOf(error))
          ? failure(true, describeError(error))
          : error
      })
      if (attempt.type === 'answered') {
        const { status } = attempt.answer
        if (isUncertain && leavesOpen(status)) throw failure(true, `status ${status}`)
        return attempt.answer
      }
      if (attempt.type === 'no-leader') throw failure(isUncertain, attempt.reason)
      isUncertain ||= attempt.isUncertain
      deadline ??= clock.monotonic() + this.#options.patienceMs
      const isOver = clock.monotonic() + pauseMs >= deadline
      if (isOver || (isUncertain && !call.isRepeatable)) throw failure(isUncertain, attempt.reason)
      await this.#untilAnotherLeads(attempt.by, pauseMs)
      pauseMs = Math.min(pauseMs * 2, FORWARD_RETRY_MS_MAX)
    }
  }

  async close(): Promise<void> {
    this.#endLeaderCheck?.()
    this.#endLeaderCheck = null
    await this.#options.port.close()
  }

  /** Waits for `ms`, or only until somebody else than who was asked is known to lead: then it can go on at once. */
  async #untilAnotherLeads(asked: NodeId, ms: number): Promise<void> {
    const { plane, clock } = this.#options
    const deadline = clock.monotonic() + ms
    for (;;) {
      const leader = plane.leader()
      const leftMs = deadline - clock.monotonic()
      if (leftMs <= 0 || (leader !== null && leader.id !== asked)) return
      await pause(clock, Math.min(FORWARD_LOOK_MS, leftMs))
    }
  }

  async #attempt(call: LeaderCall, deadline: number | null): Promise<Attempt> {
    const { plane, clock, patienceMs } = this.#options
    if (plane.isLeader) return attemptHere(call, plane.self.id)
    let leader = plane.leader()
    if (leader === null) {
      const leftMs = deadline === null ? patienceMs : Math.max(1, deadline - clock.monotonic())
      try {
        leader = await plane.waitForLeader(leftMs)
      } catch (error) {
        if (!isRaftwayError(error, 'NO_LEADER', 'TIMEOUT')) throw error
        return { type: 'no-leader', reason: describeError(error) }
      }
    }
    if (leader.id !== plane.self.id) return this.#send(call, leader)
    if (plane.isLeader) return attemptHere(call, plane.self.id)
    const reason = 'this node is taking over the lead'
    return { type: 'failed', by: plane.self.id, isUncertain: false, reason }
  }

  async #send(call: LeaderCall, leader: NodeAddress): Promise<Attempt> {
    const { metrics, plane, clock, logger, port } = this.#options
    const { isRepeatable } = call
    const entry = { leader, isRepeatable, abort: new AbortController() }
    this.#inFlight.add(entry)
    this.#endLeaderCheck ??= clock.every(LEADER_CHECK_MS, () => this.#abandonOldLeaders())
    try {
      const { method, target, body } = call
      const headers = {
        ...call.headers,
        ...this.#vouch(call),
        [FORWARDED_HEADER]: plane.self.name,
      }
      const { signal } = entry.abort
      const answer = await port.send({
        origin: leader.api,
        method,
        target,
        headers,
        body,
        isRepeatable,
        signal,
      })
      const refusal = refusalOf(answer)
      metrics.onForwarded(refusal === null ? 'answered' : 'refused')
      if (refusal === null) return { type: 'answered', answer }
      const isUncertain = refusal === 'WRITE_UNCERTAIN'
      return { type: 'failed', by: leader.id, isUncertain, reason: refusal }
    } catch (error) {
      metrics.onForwarded('broken')
      const reason = `${leader.name}: ${describeError(error)}`
      logger.debug({ leader: leader.name, node: plane.self.name, reason }, 'forwarding failed')
      return { type: 'failed', by: leader.id, isUncertain: !isNeverSent(error), reason }
    } finally {
      this.#inFlight.delete(entry)
      if (this.#inFlight.size === 0) {
        this.#endLeaderCheck?.()
        this.#endLeaderCheck = null
      }
    }
  }

  /**
   * Over mutual TLS the connection vouches. Else, before there is a secret to vouch with, nobody has a token either: the
   * leader sees a local caller, or none.
   */
  #vouch({ caller, method, target, headers }: LeaderCall): Record<string, string> {
    const secret = this.#options.plane.state.access?.forwardingSecret ?? null
    if (secret === null && this.#options.isMutual !== true) return {}
    const head = { method, target, key: headers['idempotency-key'] ?? '' }
    return { [CALLER_HEADER]: encodeCaller(caller, head, secret) }
  }

  /**
   * A leader that was cut off without closing its connections would keep its callers until the timeout. A call that
   * cannot be repeated stays: handing leadership over ends with an answer of the old leader.
   */
  #abandonOldLeaders(): void {
    const leader = this.#options.plane.leader()
    if (leader === null) return
    for (const { leader: old, isRepeatable, abort } of this.#inFlight) {
      if (isRepeatable && (old.id !== leader.id || old.api !== leader.api)) abort.abort()
    }
  }
}

/** Answers of a node that does not lead, or not any more. */
const REFUSALS = ['NOT_LEADER', 'NO_LEADER', 'WRITE_UNCERTAIN', 'STOPPING', 'NOT_FORMED'] as const
type Refusal = (typeof REFUSALS)[number]

async function carryOutHere(plane: ControlPlane, call: LeaderCall): Promise<Answer> {
  if (plane.isLeader) return call.local()
  const leader = plane.leader()?.name ?? null
  throw new RaftwayError('NOT_LEADER', `${plane.self.name} does not lead.`, { extra: { leader } })
}

async function attemptHere(call: LeaderCall, by: NodeId): Promise<Attempt> {
  try {
    return { type: 'answered', answer: await call.local() }
  } catch (error) {
    if (!isRaftwayError(error, 'NOT_LEADER', 'NO_LEADER', 'WRITE_UNCERTAIN')) throw error
    return {
      type: 'failed',
      by,
      isUncertain: error.code === 'WRITE_UNCERTAIN',
      reason: describeError(error),
    }
  }
}

function refusalOf(answer: Answer): Refusal | null {
  if (answer.status !== 503 || !Buffer.isBuffer(answer.body)) return null
  try {
    const problem: unknown = JSON.parse(answer.body.toString())
    if (problem === null || typeof problem !== 'object' || !('code' in problem)) return null
    return REFUSALS.find((code) => code === problem.code) ?? null
  } catch {
    return null // Not one of our answers: it goes to the client as it is.
  }
}

/** Errors of a connection that never stood. Any other may have come after the leader had the request. */
const NEVER_SENT = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'PEER_UNREACHABLE',
  'UND_ERR_CONNECT_TIMEOUT',
  NOT_CONNECTED,
])

function isNeverSent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && NEVER_SENT.has(String(error.code))
}

/**
 * Whether the refusal of a repeat says nothing of the attempt before it: by a node that could not carry it out, or by
 * what stands now, while that attempt may still be on its way to where it would be carried out. What is wrong with the
 * request itself was wrong the first time.
 */
function leavesOpen(status: number): boolean {
  return status >= 300 && !FAULTS_OF_REQUEST.includes(status)
}

const FAULTS_OF_REQUEST: readonly number[] = [400, 413, 415, 422]

function statusOf(error: unknown): number {
  return isRaftwayError(error) ? ERROR_CODES[error.code].status : 500
}

function failure(isUncertain: boolean, reason: string): RaftwayError {
  if (!isUncertain) return new RaftwayError('NO_LEADER', `No leader took the call: ${reason}.`)
  const detail = `The leader was lost before it answered, and no other answered in time: ${reason}.`
  return new RaftwayError('WRITE_UNCERTAIN', detail)
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(ms, resolve)
  })
}
