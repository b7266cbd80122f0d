import { definitionKey } from '../../shared/changes.ts'
import type { Definition, Kind } from '../../shared/definitions/kinds.ts'
import { RaftwayError } from '../../shared/errors.ts'
import { ISSUES_MAX } from '../../shared/limits.ts'
import {
  applyChanges,
  applyInSteps,
  runToEnd,
  type RoutingTable,
} from '../../shared/routing/table.ts'
import type { CompileIssue } from '../../shared/routing/types.ts'
import type { HistoryChange, OperationResult, WriteCommand, WriteRequest } from '../ports.ts'
import { Claims } from './claims.ts'
import { clashesOf } from './credentials.ts'
import { expandAction, type Expanded } from './expand.ts'
import { Fifo } from './fifo.ts'
import { keyReused } from './idempotency.ts'
import { Overlay } from './overlay.ts'
import { definitionChange, type ReplicatedState } from './state.ts'
import { runTransaction, type Refusal } from './transaction.ts'

/** What the leader adds to a request when it takes it. */
export type PlanContext = {
  /** Milliseconds since 1970. */
  readonly atMs: number
  readonly key: string
  readonly fingerprint: string
  /** The config that a rollback asks for; null for other actions. */
  readonly configAtRollback: readonly Definition[] | null
}

/** What a request comes to. */
export type Plan = {
  /** What to propose; null when there is nothing to do. */
  readonly command: WriteCommand | null
  /**
   * What applying will answer. It rests on writes in flight: an answer without a command of its own may be given once
   * this revision is applied.
   */
  readonly predicted: { readonly revision: number; readonly results: readonly OperationResult[] }
  /** Nothing differs. False with a null command: the same write was applied before, and this is its result. */
  readonly unchanged: boolean
}

/** What a command will do, worked out before it is applied. Empty `changes`: a repeat, or a refusal. */
type Step = {
  readonly command: WriteCommand
  /** Revision of the state that it leaves. */
  readonly revision: number
  readonly results: readonly OperationResult[]
  readonly changes: readonly HistoryChange[]
  readonly table: RoutingTable
}

/**
 * What the state will be once every proposal in flight is applied. A leader plans each write against it, so that
 * what it proposes is certain to apply while it leads: proposals are applied in the order in which they were taken.
 *
 *   applied state ◄── step ◄── step ◄── step ◄── the next plan
 *        ▲            oldest in flight
 *        └─ settled moves it up
 *
 * Planning costs O(changes) but for `replace` and `rollback`, which compare the whole config. Plan only once an entry
 * of this leader's own term is applied: what earlier leaders left in the log is not known here.
 */
export class Speculation {
  readonly #state: ReplicatedState
  readonly #overlay: Overlay
  readonly #claims: Claims
  readonly #inFlight = new Fifo<Step>()
  /** The first step in flight of each idempotency key. */
  readonly #byKey = new Map<string, Step>()
  /** The plan made last; taken as it is if nothing came in between. */
  #planned: Step | null = null
  /** Counts what voids a plan in the making. */
  #epoch = 0

  constructor(state: ReplicatedState) {
    this.#state = state
    this.#overlay = new Overlay(state)
    this.#claims = new Claims(state)
  }

  /** Revision that the state will have. */
  get revision(): number {
    return this.#inFlight.last?.revision ?? this.#state.revision
  }

  get inFlightCount(): number {
    return this.#inFlight.size
  }

  /**
   * Turns a request into a command that is certain to apply if this leader stays leader. Changes nothing here:
   * `taken` does. Throws INVALID_DEFINITION (every issue below its place in the action), REVISION_CONFLICT and
   * DEFINITION_NOT_FOUND (`extra.currentRevision`), IDEMPOTENCY_KEY_REUSED, INVALID_REQUEST.
   */
  plan(request: WriteRequest, context: PlanContext): Plan {
    return runToEnd(this.planInSteps(request, context))
  }

  /**
   * `plan` for a request of many definitions: yields between them, so that the node can do other things. Nothing may be
   * taken meanwhile. What is settled meanwhile does no harm; if it was not what was expected, planning begins again.
   */
  *planInSteps(request: WriteRequest, context: PlanContext): Generator<undefined, Plan> {
    for (;;) {
      const epoch = this.#epoch
      const plan = yield* this.#planOnce(request, context, epoch)
      if (plan !== null) return plan
    }
  }

  /** Null: what the plan rested on is gone. */
  *#planOnce(
    request: WriteRequest,
    context: PlanContext,
    epoch: number,
  ): Generator<undefined, Plan | null> {
    const repeat = this.#findRepeat(context)
    if (repeat !== null) return repeat
    const expanded = expandAction(request.action, this.#overlay, context.configAtRollback)
    const command: WriteCommand = {
      type: 'write',
      key: context.key,
      fingerprint: context.fingerprint,
      atMs: context.atMs,
      author: request.author,
      ...(request.origin === undefined ? {} : { origin: request.origin }),
      message: request.message,
      operations: expanded.operations,
      ifConfigRevision: request.ifConfigRevision,
    }
    const transaction = runTransaction(this.#view(), command)
    if (!transaction.ok) throw refusalError(transaction)
    if (command.operations.length === 0) {
      return { command: null, predicted: { revision: this.revision, results: [] }, unchanged: true }
    }
    const { revision, results, changes } = transaction
    const clashes = clashesOf(changes, (digest) => this.#claims.ownerOf(digest))
    if (clashes.length > 0) throw compileError(clashes, expanded)
    const compiled = yield* applyInSteps(this.#table(), changes.map(definitionChange))
    if (this.#epoch !== epoch) return null
    if (!compiled.ok) throw compileError(compiled.issues, expanded)
    this.#planned = { command, revision, results, changes, table: compiled.table }
    return { command, predicted: { revision, results }, unchanged: false }
  }

  /** A planned command was proposed: what is planned next is planned on top of it. */
  taken(command: WriteCommand): void {
    const planned = this.#planned
    this.#planned = null
    this.#push(planned?.command === command ? planned : this.#work(command))
  }

  /** A command was applied to the state, whoever proposed it. Call in order, after each. */
  settled(command: WriteCommand): void {
    const oldest = this.#inFlight.first
    if (oldest === undefined) {
      // A write that nobody here took: whatever was planned, was planned without it.
      this.#forgetPlans()
      return
    }
    const isExpected =
      oldest.command.key === command.key && oldest.command.fingerprint === command.fingerprint
    if (isExpected) {
      this.#inFlight.shift()
      this.#overlay.settle(oldest.changes, oldest)
      this.#claims.settle(oldest.changes, oldest)
      if (this.#byKey.get(command.key) === oldest) this.#byKey.delete(command.key)
    }
    // Something else was applied, or with another outcome: what is in flight is worked out anew on what stands now.
    if (!isExpected || oldest.revision !== this.#state.revision) this.#rework()
    else this.#state.adoptTable(oldest.table, oldest.revision)
  }

  /** Leadership changed: nothing is known of what is in flight any more. */
  reset(): void {
    this.#forgetPlans()
    this.#inFlight.takeAll()
    this.#byKey.clear()
    this.#overlay.clear()
    this.#claims.clear()
  }

  #view(): { revision: number; get(kind: Kind, name: string): Definition | undefined } {
    return { revision: this.revision, get: (kind, name) => this.#overlay.get(kind, name) }
  }

  #table(): RoutingTable {
    return this.#inFlight.last?.table ?? this.#state.table
  }

  /**
   * A key that was applied is answered without proposing. A key in flight is proposed again, because whoever waits
   * for the first may never hear of it; applying it gives the first result, so that it changes nothing here.
   */
  #findRepeat(context: PlanContext): Plan | null {
    const applied = this.#state.findResult(context)
    if (applied !== null) {
      if (!applied.ok) throw refusalError(applied)
      const { revision, results } = applied
      return { command: null, predicted: { revision, results }, unchanged: false }
    }
    const step = this.#byKey.get(context.key)
    if (step === undefined) return null
    const { command, revision, results } = step
    if (command.fingerprint !== context.fingerprint)
      throw refusalError(keyReused(context.key, this.revision))
    return { command, predicted: { revision, results }, unchanged: false }
  }

  #push(step: Step): void {
    this.#inFlight.push(step)
    if (step.changes.length === 0) return
    this.#byKey.set(step.command.key, step)
    this.#overlay.put(step.changes, step)
    this.#claims.put(step.changes, step)
  }

  /** What a command will do that was not planned on exactly what stands. */
  #work(command: WriteCommand): Step {
    const nothing = {
      command,
      revision: this.revision,
      results: [],
      changes: [],
      table: this.#table(),
    }
    if (this.#byKey.has(command.key) || this.#state.findResult(command) !== null) return nothing
    const transaction = runTransaction(this.#view(), command)
    if (!transaction.ok) return nothing
    const { revision, results, changes } = transaction
    const compiled = applyChanges(this.#table(), changes.map(definitionChange))
    const table = compiled.ok ? compiled.table : this.#table()
    return { command, revision, results, changes, table }
  }

  #forgetPlans(): void {
    this.#planned = null
    this.#epoch++
  }

  #rework(): void {
    this.#forgetPlans()
    const steps = this.#inFlight.takeAll()
    this.#byKey.clear()
    this.#overlay.clear()
    this.#claims.clear()
    for (const { command } of steps) this.#push(this.#work(command))
  }
}

function refusalError({ code, detail, at, currentRevision }: Refusal): RaftwayError {
  const issues = at === null ? [] : [{ path: `operations.${at}`, message: detail }]
  return new RaftwayError(code, detail, { issues, extra: { currentRevision } })
}

/** An issue of a definition that the write does not name, such as an Api whose Upstream goes, says which one it is. */
function compileError(issues: readonly CompileIssue[], { paths }: Expanded): RaftwayError {
  const placed = issues.slice(0, ISSUES_MAX).map(({ kind, name, path, message }) => {
    const place = paths.get(definitionKey(kind, name)) ?? definitionKey(kind, name)
    return { path: path === '' ? place : `${place}.${path}`, message }
  })
  const detail = placed.length === 1 ? 'a definition is not valid' : 'definitions are not valid'
  return new RaftwayError('INVALID_DEFINITION', detail, { issues: placed })
}
