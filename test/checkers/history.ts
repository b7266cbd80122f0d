// Histories of what clients asked and were told, in the form that the checkers here and independent ones read: JSON
// lines, one event each, in the order in which one recorder saw them.
import { z } from 'zod'

const operationSchema = z.strictObject({
  /** Who asked. A process asks one thing at a time. */
  process: z.union([z.int().min(0), z.string().min(1)]),
  /**
   * `invoke` begins a call. `ok`: it happened, and this is the answer. `fail`: it certainly did not happen.
   * `info`: nobody knows; it may take effect at any later time, or never.
   */
  type: z.enum(['invoke', 'ok', 'fail', 'info']),
  /** `cas` is a put that asks for `ifRevision`; a `delete` may ask for it as well. */
  op: z.enum(['put', 'cas', 'delete', 'get']),
  key: z.string().min(1),
  /** What is written; of a get's `ok`, what was read. Null: nothing is there. */
  value: z.unknown().transform((value) => value ?? null),
  /**
   * Of an `ok`: the revision that the write made, or that the value read was written at (null or 0: nothing is there).
   * Of a `fail`: the revision that stood against the guard (0: nothing is there), or null when the call failed for
   * another reason. Null in `invoke` and `info`.
   */
  revision: z.int().min(0).nullable(),
  /** Milliseconds of the recorder's clock; never falls within a history. */
  time: z.number(),
  /** The revision of the key that must stand for a guarded write; 0: the key must not exist. */
  ifRevision: z.int().min(0).optional(),
  /** Of a `fail` or `info`: the error code, for people. */
  error: z.string().optional(),
})

/** One event of a history. */
export type Operation = Omit<z.infer<typeof operationSchema>, 'value' | 'ifRevision' | 'error'> & {
  readonly value: unknown
  readonly ifRevision?: number
  readonly error?: string
}

/** What a call asked for and how it ended. Places are positions in the history: they are the order of real time. */
export type Call = {
  readonly process: Operation['process']
  readonly op: Operation['op']
  readonly key: string
  /** What it writes; null for a get or a delete. */
  readonly wanted: unknown
  readonly ifRevision: number | null
  /** `info` as well for a call that never ended. */
  readonly outcome: 'ok' | 'fail' | 'info'
  /** What an `ok` get read; null when nothing was there. */
  readonly read: unknown
  readonly revision: number | null
  readonly invokedAt: number
  /** Infinity when nobody knows whether it happened: its effect may come at any later time. */
  readonly endedAt: number
}

/** Equal for equal values, whatever the order of their members. */
export function valueText(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) =>
    member === null || typeof member !== 'object' || Array.isArray(member)
      ? member
      : Object.fromEntries(Object.entries(member).toSorted(([a], [b]) => (a < b ? -1 : 1))),
  )
}

/** A line of a history file, without its line feed. */
export function formatOperation(operation: Operation): string {
  return JSON.stringify(operation)
}

/** Reads a history file. Throws `SyntaxError` with the number of the line that is not an event. */
export function parseHistory(text: string): Operation[] {
  const history: Operation[] = []
  for (const [at, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue
    history.push(parseLine(line, at + 1))
  }
  return history
}

function parseLine(line: string, number: number): Operation {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (cause) {
    throw new SyntaxError(`line ${number} of the history is not JSON`, { cause })
  }
  const parsed = operationSchema.safeParse(value)
  // An optional member is absent, never undefined: it came from JSON.
  if (parsed.success) return parsed.data as Operation
  const [issue] = parsed.error.issues
  throw new SyntaxError(
    `line ${number} of the history: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`,
  )
}

/**
 * The calls of a history in the order of their invocations. Throws `RangeError` on what no recorder can have seen: an
 * end without a beginning, two calls of one process at once, an end of another call, time that falls.
 */
export function callsOf(history: readonly Operation[]): Call[] {
  const calls: Call[] = []
  const open = new Map<
    Operation['process'],
    { readonly at: number; readonly operation: Operation }
  >()
  let time = Number.NEGATIVE_INFINITY
  for (const [at, operation] of history.entries()) {
    const { process, type } = operation
    if (operation.time < time) throw new RangeError(`event ${at}: time falls`)
    time = operation.time
    const begun = open.get(process)
    if (type === 'invoke') {
      if (begun !== undefined) throw new RangeError(`event ${at}: ${process} is in a call already`)
      checkInvocation(operation, at)
      open.set(process, { at, operation })
      continue
    }
    if (begun === undefined) throw new RangeError(`event ${at}: ${process} is in no call`)
    open.delete(process)
    calls.push(callOf(begun, { at, operation }))
  }
  for (const begun of open.values()) calls.push(callOf(begun, null))
  return calls.sort((a, b) => a.invokedAt - b.invokedAt)
}

function checkInvocation({ op, ifRevision }: Operation, at: number): void {
  if (op === 'cas' && ifRevision === undefined) {
    throw new RangeError(`event ${at}: a cas says which revision it asks for`)
  }
  if ((op === 'put' || op === 'get') && ifRevision !== undefined) {
    throw new RangeError(`event ${at}: a ${op} asks for no revision`)
  }
}

type Event = { readonly at: number; readonly operation: Operation }

function callOf(begun: Event, ended: Event | null): Call {
  const { process, op, key, value, ifRevision } = begun.operation
  const end = ended?.operation
  if (end !== undefined && (end.op !== op || end.key !== key)) {
    throw new RangeError(`event ${ended?.at}: ${process} is in another call`)
  }
  const outcome = end === undefined || end.type === 'invoke' ? 'info' : end.type
  if (outcome === 'fail' && (op === 'put' || op === 'get') && end?.revision !== null) {
    throw new RangeError(`event ${ended?.at}: a ${op} has no guard that could fail`)
  }
  const isWriteOk = outcome === 'ok' && op !== 'get'
  if (isWriteOk && (end?.revision ?? 0) === 0) {
    throw new RangeError(`event ${ended?.at}: an acknowledged write has a revision`)
  }
  if (outcome === 'ok' && op === 'get' && (end?.value === null) !== ((end?.revision ?? 0) === 0)) {
    throw new RangeError(`event ${ended?.at}: what was read has a revision, and nothing has none`)
  }
  return {
    process,
    op,
    key,
    wanted: op === 'put' || op === 'cas' ? value : null,
    ifRevision: ifRevision ?? null,
    outcome,
    read: outcome === 'ok' && op === 'get' ? (end?.value ?? null) : null,
    revision: outcome === 'info' ? null : (end?.revision ?? null),
    invokedAt: begun.at,
    endedAt: outcome === 'info' ? Number.POSITIVE_INFINITY : (ended?.at ?? 0),
  }
}

/** What a call is begun with. */
export type Invocation = Pick<Operation, 'process' | 'op' | 'key'> & {
  readonly value?: unknown
  readonly ifRevision?: number
}

/** How a call ends; exactly one of these is called, once. */
export type Ending = {
  /** `value` is what a get read. */
  ok(answer: { readonly value?: unknown; readonly revision: number | null }): void
  /** `revision`: what stood against the guard, 0 for nothing; null when it failed for another reason. */
  fail(revision: number | null, error?: string): void
  info(error?: string): void
}

/** Writes a history down as it happens. `onLine` gets each event as a line of a history file, for those who keep one. */
export class HistoryRecorder {
  readonly history: Operation[] = []
  readonly #now: () => number
  readonly #onLine: (line: string) => void

  constructor(now: () => number, onLine: (line: string) => void = () => {}) {
    this.#now = now
    this.#onLine = onLine
  }

  /** A call begins; call this before anything is sent. */
  invoke(invocation: Invocation): Ending {
    const { process, op, key, value = null, ifRevision } = invocation
    const base = { process, op, key, ...(ifRevision === undefined ? {} : { ifRevision }) }
    this.#add({ ...base, type: 'invoke', value, revision: null, time: this.#now() })
    const end = (type: 'ok' | 'fail' | 'info', more: Partial<Operation>) =>
      this.#add({ ...base, type, value, revision: null, time: this.#now(), ...more })
    return {
      ok: (answer) =>
        end('ok', {
          value: op === 'get' ? (answer.value ?? null) : value,
          revision: answer.revision,
        }),
      fail: (revision, error) =>
        end('fail', { revision, ...(error === undefined ? {} : { error }) }),
      info: (error) => end('info', error === undefined ? {} : { error }),
    }
  }

  #add(operation: Operation): void {
    this.history.push(operation)
    this.#onLine(formatOperation(operation))
  }
}
