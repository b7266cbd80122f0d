import { hash } from 'node:crypto'
import { isRaftwayError, RaftwayError } from '../../shared/errors.ts'
import { PROPOSALS_PER_BATCH_MAX, UNCOMMITTED_BYTES_MAX } from '../../shared/limits.ts'
import type { Clock } from '../clock.ts'
import type { WriteAnswer, WriteCommand, WriteRequest, WriteResult } from '../ports.ts'
import type { Definition } from '../../shared/definitions/kinds.ts'
import { encodeCommand } from '../state-machine/command.ts'
import { Speculation, type Plan } from '../state-machine/propose.ts'
import type { ReplicatedState } from '../state-machine/state.ts'
import type { FeatureGate } from './feature-gate.ts'
import { inSlices } from './slices.ts'

type Pending = {
  readonly resolve: (result: Extract<WriteResult, { ok: true }>) => void
  readonly reject: (error: Error) => void
}

/** Up to this many operations a write is planned in one go. */
const SMALL_WRITE_OPERATIONS = 32

/**
 * Writes on their way through the log of the leader. Each is planned against the state that the writes before it
 * will leave, so that what commits is valid; all that gather in one turn are proposed as one batch.
 */
export class Proposals {
  readonly #clock: Clock
  readonly #makeId: () => string
  readonly #propose: (payloads: readonly Uint8Array[]) => boolean
  readonly #isClosed: () => boolean
  readonly #wake: () => void
  readonly #gate: () => Pick<FeatureGate, 'assertAdmitted' | 'taken'>
  readonly #confirm: (revision: number) => Promise<void>
  #speculation: Speculation
  /** Taken but not yet in the core's hands, in order. */
  #gathered: { readonly command: WriteCommand; readonly payload: Uint8Array }[] = []
  readonly #pending = new Map<string, Pending[]>()
  readonly #inFlight = new Map<WriteCommand['key'], number>()
  #bytes = 0
  /** A large write is being planned; the others wait for it. */
  #planning: Promise<void> | null = null
  /** Counts what voids everything that was planned. */
  #abandoned = 0

  /**
   * `gate` refuses what some member does not know yet (FEATURE_UNAVAILABLE).
   * `propose` hands a batch to the core and says whether it was taken; `isClosed` says that it would not be now; `wake`
   * asks for a `flush` soon; `confirm` resolves when a revision is applied here and a majority has confirmed, after the
   * call, who leads. TIMEOUT or NO_LEADER when that takes too long.
   */
  constructor(parts: {
    readonly clock: Clock
    readonly makeId: () => string
    readonly state: ReplicatedState
    readonly propose: (payloads: readonly Uint8Array[]) => boolean
    readonly isClosed: () => boolean
    readonly wake: () => void
    readonly gate: () => Pick<FeatureGate, 'assertAdmitted' | 'taken'>
    readonly confirm: (revision: number) => Promise<void>
  }) {
    this.#clock = parts.clock
    this.#makeId = parts.makeId
    this.#propose = parts.propose
    this.#isClosed = parts.isClosed
    this.#wake = parts.wake
    this.#gate = parts.gate
    this.#confirm = parts.confirm
    this.#speculation = new Speculation(parts.state)
  }

  /**
   * Plans and proposes; resolves when the write is applied here. INVALID_DEFINITION, REVISION_CONFLICT,
   * DEFINITION_NOT_FOUND, INVALID_REQUEST, OVERLOADED; WRITE_UNCERTAIN when leadership was lost on the way, and
   * NO_LEADER when it was lost before a refusal was certain.
   * `configAtRollback` is the config that a rollback asks for, null for other writes.
   */
  async write(
    request: WriteRequest,
    configAtRollback: readonly Definition[] | null,
  ): Promise<WriteAnswer> {
    while (this.#planning !== null) await this.#planning
    const context = {
      atMs: this.#clock.now(),
      key: request.key ?? this.#makeId(),
      fingerprint: fingerprintOf(request),
      configAtRollback,
    }
    // A small write is planned at once, so that all that arrive together share a batch.
    if (isSmall(request)) {
      const plan = orRefusal(() => this.#speculation.plan(request, context))
      return plan instanceof RaftwayError ? this.#refuse(plan) : this.#carryOut(request, plan)
    }
    const turn = Promise.withResolvers<void>()
    this.#planning = turn.promise
    let answer: Promise<WriteAnswer>
    try {
      const steps = this.#speculation.planInSteps(request, context)
      const plan = await inSlices(this.#clock, steps).catch(asRefusal)
      answer = plan instanceof RaftwayError ? this.#refuse(plan) : this.#carryOut(request, plan)
    } finally {
      this.#planning = null
      turn.resolve()
    }
    return answer
  }

  /** Hands what was gathered to the core, as one batch in order. While the log is closed it stays gathered. */
  flush(): void {
    while (this.#gathered.length > 0 && !this.#isClosed()) {
      const batch = this.#gathered.splice(0, PROPOSALS_PER_BATCH_MAX)
      if (this.#propose(batch.map(({ payload }) => payload))) continue
      // Refused as a whole: what was planned on top of it is void as well.
      this.abandon(new RaftwayError('WRITE_UNCERTAIN', 'the write was not taken into the log'))
    }
  }

  /** A write was applied, proposed here or elsewhere. */
  onApplied(command: WriteCommand, result: WriteResult): void {
    this.#speculation.settled(command)
    this.#bytes -= this.#inFlight.get(command.key) ?? 0
    this.#inFlight.delete(command.key)
    const waiting = this.#pending.get(command.key)
    if (waiting === undefined) return
    this.#pending.delete(command.key)
    for (const { resolve, reject } of waiting) {
      if (result.ok) resolve(result)
      else reject(refusal(result))
    }
  }

  /** Leadership is gone, or the state was replaced: whatever was in flight may or may not commit. */
  abandon(error: RaftwayError, state?: ReplicatedState): void {
    this.#abandoned++
    if (state === undefined) this.#speculation.reset()
    else this.#speculation = new Speculation(state)
    this.#gathered = []
    this.#inFlight.clear()
    this.#bytes = 0
    this.answerWaiting(error)
  }

  /** Whoever waits is told `error`, while what was planned stays under way: it may well commit. */
  answerWaiting(error: RaftwayError): void {
    for (const key of this.#pending.keys()) this.#end(key, error)
  }

  /**
   * Leadership went, in good order, to a node that holds everything that was proposed here: it commits that first, and
   * this node hears of it as a follower. Whatever has not been applied within `graceMs` ends as with `abandon`.
   */
  handOff(error: RaftwayError, graceMs: number): void {
    const tooLate = new RaftwayError('NOT_LEADER', 'leadership was handed over before the write')
    for (const { command } of this.#gathered) this.#end(command.key, tooLate)
    const kept = new Map(this.#pending)
    this.#pending.clear()
    this.abandon(error)
    for (const [key, waiting] of kept) this.#pending.set(key, waiting)
    this.#clock.after(graceMs, () => {
      for (const [key, waiting] of kept) {
        if (this.#pending.get(key) === waiting) this.#end(key, error)
      }
    })
  }

  #end(key: string, error: RaftwayError): void {
    const waiting = this.#pending.get(key) ?? []
    this.#pending.delete(key)
    for (const { reject } of waiting) reject(error)
  }

  /** Must follow the plan without a pause: what is planned next is planned on top of it. */
  #carryOut(request: WriteRequest, { command, predicted, unchanged }: Plan): Promise<WriteAnswer> {
    if (command !== null) this.#gate().assertAdmitted(command)
    if (request.dryRun) return Promise.resolve({ ...predicted, unchanged })
    if (command === null) return this.#withoutEntry({ ...predicted, unchanged })
    const payload = encodeCommand(command)
    if (this.#bytes + payload.length > UNCOMMITTED_BYTES_MAX / 2) {
      const detail = `more than ${UNCOMMITTED_BYTES_MAX / 2} bytes of writes wait to commit`
      throw new RaftwayError('OVERLOADED', detail)
    }
    this.#bytes += payload.length
    this.#inFlight.set(command.key, (this.#inFlight.get(command.key) ?? 0) + payload.length)
    this.#speculation.taken(command)
    this.#gate().taken(command)
    this.#gathered.push({ command, payload })
    this.#wake()
    return this.#settlement(command.key)
  }

  /** The first answer of a repeat is committed. That nothing differs is to be made certain of first. */
  async #withoutEntry(answer: WriteAnswer): Promise<WriteAnswer> {
    if (answer.unchanged) await this.#makeCertain()
    return answer
  }

  async #refuse(refusal: RaftwayError): Promise<never> {
    await this.#makeCertain()
    throw refusal
  }

  /**
   * What is said without an entry of its own rests on writes in flight that may never commit, and on a state that
   * another leader may have left behind. It holds once all of them are applied by a leader that led after it was asked.
   */
  async #makeCertain(): Promise<void> {
    const abandoned = this.#abandoned
    try {
      await this.#confirm(this.#speculation.revision)
    } catch (error) {
      if (!isRaftwayError(error, 'TIMEOUT')) throw error
      throw new RaftwayError('NO_LEADER', 'no majority confirmed the answer in time', {
        cause: error,
      })
    }
    if (abandoned === this.#abandoned) return
    throw new RaftwayError('NO_LEADER', 'leadership was lost before the answer was certain')
  }

  #settlement(key: string): Promise<WriteAnswer> {
    return new Promise((resolve, reject) => {
      const waiting = this.#pending.get(key) ?? []
      waiting.push({
        resolve: ({ revision, results }) => resolve({ revision, results, unchanged: false }),
        reject,
      })
      this.#pending.set(key, waiting)
    })
  }
}

/** What `plan` gives, or the refusal that it throws. */
function orRefusal<T>(plan: () => T): T | RaftwayError {
  try {
    return plan()
  } catch (error) {
    return asRefusal(error)
  }
}

function asRefusal(error: unknown): RaftwayError {
  if (isRaftwayError(error)) return error
  throw error
}

function isSmall({ action }: WriteRequest): boolean {
  if (action.type === 'edit') return true
  return action.type === 'operations' && action.operations.length <= SMALL_WRITE_OPERATIONS
}

/** What makes two requests the same write. */
function fingerprintOf(request: WriteRequest): string {
  const { action, ifConfigRevision, message } = request
  // JSON leaves out the function of an edit. Definitions are canonical, and the members around them always stand in one order.
  return hash('sha256', JSON.stringify({ action, ifConfigRevision, message }), 'hex')
}

/** A refusal by the state machine, as the caller hears it. */
function refusal(result: Extract<WriteResult, { ok: false }>): RaftwayError {
  const path = result.at === null ? '' : `operations.${result.at}`
  return new RaftwayError(result.code, result.detail, {
    issues: [{ path, message: result.detail }],
    extra: { currentRevision: result.currentRevision },
  })
}
