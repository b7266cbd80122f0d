// Whether a history of puts, deletes, reads and guarded writes can be explained by one register a key.
//
// Method: Wing and Gong's search with Lowe's memory of what was tried, one key at a time (linearizability is local). It
// tries the calls that may come next, given the order of real time, until every call with a known answer is placed.
//   - Revisions prune: they only grow, so a write waits until every call that saw a smaller one is placed.
//   - A call that changes nothing is placed as soon as it fits: it cannot be in the way of another.
//   - A call whose outcome nobody knows is placed only where the next call sees its effect. One that is overwritten
//     unseen might as well never have happened.
// Sources: Wing and Gong 1993; Lowe 2017, "Testing for linearizability".
import { callsOf, valueText, type Call, type Operation } from './history.ts'

/** `unknown`: the search was given up at its bound. It is no pass. */
export type Verdict =
  | { readonly verdict: 'linearizable' }
  | { readonly verdict: 'violation'; readonly key: string; readonly detail: string }
  | { readonly verdict: 'unknown'; readonly key: string; readonly detail: string }

/** Placements tried in one history before the search gives up; some seconds, some hundred megabytes. */
const STEPS_MAX = 1_000_000

/** Checks a history. Throws `RangeError` on one that no recorder can have seen. */
export function checkLinearizability(
  history: readonly Operation[],
  { stepsMax = STEPS_MAX }: { readonly stepsMax?: number } = {},
): Verdict {
  const byKey = Map.groupBy(callsOf(history), ({ key }) => key)
  let unknown: Verdict | null = null
  let stepsLeft = stepsMax
  for (const [key, calls] of byKey) {
    const search = new Search(calls, stepsLeft)
    const found = search.run()
    stepsLeft -= search.steps
    if (found === 'violation') return { verdict: 'violation', key, detail: search.describe() }
    if (found === 'unknown') {
      const detail = `no answer within ${stepsMax} steps; ${search.describe()}`
      unknown ??= { verdict: 'unknown', key, detail }
    }
  }
  return unknown ?? { verdict: 'linearizable' }
}

/** What one key holds at a moment of the search. */
type Register = {
  /** As text; null when nothing is there. */
  readonly value: string | null
  /** Of the last write: exact if `isExact`, otherwise the least that it can be. */
  readonly revision: number
  readonly isExact: boolean
  /** The last write is one whose outcome nobody knows, and nothing has seen it yet. */
  readonly isUnseen: boolean
}

const NOTHING: Register = { value: null, revision: 0, isExact: true, isUnseen: false }

type Place = {
  readonly call: Call
  readonly at: number
  readonly value: string | null
  /** Revision of the state that the call saw or left; null when it says nothing of it. */
  readonly revision: number | null
  /** Position among the places with a revision. */
  order: number
  isPlaced: boolean
}

/** One decision of the search: what was tried here, and what was placed on the way to the next decision. */
type Choice = {
  readonly register: Register
  readonly candidates: readonly { readonly place: Place; readonly next: Register }[]
  tried: number
  readonly placed: Place[]
}

class Search {
  /** Calls with an answer, by invocation: every one must be placed. */
  readonly #must: readonly Place[]
  /** Writes that may or may not have happened. */
  readonly #may: readonly Place[]
  /** `#must` with a revision, in its order. */
  readonly #byRevision: readonly Place[]
  /** Revisions of acknowledged writes: no other write has them. */
  readonly #owned: ReadonlySet<number>
  readonly #tried = new Set<string>()
  readonly #stepsMax: number
  #placedCount = 0
  /** All of `#must` before this is placed. */
  #first = 0
  #firstByRevision = 0
  #furthest: {
    readonly count: number
    readonly blocked: Place | null
    readonly register: Register
  } = {
    count: -1,
    blocked: null,
    register: NOTHING,
  }
  steps = 0

  constructor(calls: readonly Call[], stepsMax: number) {
    this.#stepsMax = stepsMax
    this.#must = calls.filter(isObserved).map(toPlace)
    this.#may = calls.filter(({ op, outcome }) => outcome === 'info' && op !== 'get').map(toPlace)
    this.#byRevision = this.#must
      .filter(({ revision }) => revision !== null)
      .sort((a, b) => (a.revision ?? 0) - (b.revision ?? 0))
    for (const [order, place] of this.#byRevision.entries()) place.order = order
    this.#owned = new Set(
      this.#must.filter(({ call }) => isWrite(call)).map(({ call }) => call.revision ?? 0),
    )
  }

  run(): 'linearizable' | 'violation' | 'unknown' {
    if (this.#owned.size < this.#must.filter(({ call }) => isWrite(call)).length) return 'violation'
    const choices: Choice[] = []
    let register = NOTHING
    for (;;) {
      const choice = this.#advance(register)
      if (this.#placedCount === this.#must.length) return 'linearizable'
      this.#note(choice.register)
      const key = this.#keyOf(choice.register)
      if (this.#tried.has(key)) this.#undo(choice.placed)
      else {
        this.#tried.add(key)
        choices.push(choice)
      }
      const next = this.#nextOf(choices)
      if (next === null) return 'violation'
      register = next
      if (this.steps > this.#stepsMax) return 'unknown'
    }
  }

  /** Where the search came furthest, for people. */
  describe(): string {
    const { count, blocked, register } = this.#furthest
    const holds = register.value ?? 'nothing'
    const stands = `${register.isExact ? '' : 'at least '}${register.revision}`
    const what =
      blocked === null ? 'two acknowledged writes have one revision' : textOf(blocked.call)
    return `${count} of ${this.#must.length} calls can be explained; then the key holds ${holds} at revision ${stands}, against: ${what}`
  }

  /** Places whatever cannot be wrong here, and lists what can be tried next. */
  #advance(start: Register): Choice {
    const placed: Place[] = []
    let register = start
    for (;;) {
      const { open, isEnd } = this.#open()
      if (isEnd) return { register, candidates: [], tried: 0, placed }
      const candidates: { place: Place; next: Register }[] = []
      let harmless: { place: Place; next: Register } | null = null
      for (const place of open) {
        const next = this.#step(register, place)
        if (next === null) continue
        if (isSame(register, next)) harmless = { place, next }
        else candidates.push({ place, next })
        if (harmless !== null) break
      }
      if (harmless === null) return { register, candidates, tried: 0, placed }
      this.#place(harmless.place)
      placed.push(harmless.place)
      register = harmless.next
    }
  }

  /** Calls that may come next: begun before the first end of one that is not placed. Certain ones come first. */
  #open(): { readonly open: readonly Place[]; readonly isEnd: boolean } {
    const open: Place[] = []
    let end = Number.POSITIVE_INFINITY
    for (let i = this.#first; i < this.#must.length; i++) {
      const place = this.#must[i]
      if (place === undefined || place.call.invokedAt > end) break
      if (place.isPlaced) continue
      end = Math.min(end, place.call.endedAt)
      open.push(place)
    }
    const isEnd = open.length === 0
    for (const place of this.#may) {
      if (place.call.invokedAt > end) break
      if (!place.isPlaced) open.push(place)
    }
    return { open, isEnd }
  }

  /** The next untried branch, back from the newest decision; null when there is none left. */
  #nextOf(choices: Choice[]): Register | null {
    for (;;) {
      const choice = choices.at(-1)
      if (choice === undefined) return null
      const last = choice.candidates[choice.tried - 1]
      if (last !== undefined) this.#takeBack(last.place)
      const candidate = choice.candidates[choice.tried]
      if (candidate !== undefined) {
        choice.tried++
        this.steps++
        this.#place(candidate.place)
        return candidate.next
      }
      this.#undo(choice.placed)
      choices.pop()
    }
  }

  /** What the register holds after the call; null when the call cannot come now. */
  #step(register: Register, { call, value, revision }: Place): Register | null {
    if (call.outcome === 'info') return this.#stepUnknown(register, call, value)
    if (call.op === 'get' || call.outcome === 'fail')
      return this.#see(register, value, revision, call)
    const before = this.#guard(register, call)
    if (before === null || revision === null) return null
    // It overwrites unseen what need not have happened.
    if (before.isUnseen) return null
    if (revision <= before.revision || this.#isAwaited(revision)) return null
    return { value, revision, isExact: true, isUnseen: false }
  }

  #stepUnknown(register: Register, call: Call, value: string | null): Register | null {
    // A delete of what nothing has seen: neither need have happened.
    if (register.isUnseen && call.op === 'delete' && call.ifRevision === null) return null
    const before = this.#guard(register, call)
    if (before === null || before.isUnseen || this.#isAwaited(before.revision + 1)) return null
    return { value, revision: before.revision + 1, isExact: false, isUnseen: true }
  }

  /** A call that changes nothing, but tells what it saw: a read, or a guard that did not hold. */
  #see(
    register: Register,
    value: string | null,
    revision: number | null,
    call: Call,
  ): Register | null {
    if (call.op === 'get' ? value !== register.value : !isJustified(call)) return null
    if (revision === null) return register.value === null ? seen(register) : null
    return this.#at(register, revision)
  }

  /** The register if the guard of a write holds on it. An unguarded put takes anything. */
  #guard(register: Register, { op, ifRevision }: Call): Register | null {
    if (op === 'delete' && register.value === null) return null
    if (ifRevision === null) return op === 'delete' ? seen(register) : register
    if (ifRevision === 0) return register.value === null ? seen(register) : null
    return this.#at(register, ifRevision)
  }

  /** The register if something stands there at `revision`. */
  #at(register: Register, revision: number): Register | null {
    if (register.value === null) return null
    if (register.isExact) return register.revision === revision ? seen(register) : null
    if (revision < register.revision || this.#owned.has(revision)) return null
    return { value: register.value, revision, isExact: true, isUnseen: false }
  }

  /** Whether a call that saw a smaller revision is still to be placed. */
  #isAwaited(revision: number): boolean {
    const first = this.#byRevision[this.#firstByRevision]
    return first !== undefined && (first.revision ?? 0) < revision
  }

  #place(place: Place): void {
    place.isPlaced = true
    if (!isObserved(place.call)) return
    this.#placedCount++
    while (this.#must[this.#first]?.isPlaced === true) this.#first++
    while (this.#byRevision[this.#firstByRevision]?.isPlaced === true) this.#firstByRevision++
  }

  #takeBack(place: Place): void {
    place.isPlaced = false
    if (!isObserved(place.call)) return
    this.#placedCount--
    this.#first = Math.min(this.#first, place.at)
    if (place.revision !== null) {
      this.#firstByRevision = Math.min(this.#firstByRevision, place.order)
    }
  }

  #undo(placed: readonly Place[]): void {
    for (const place of placed.toReversed()) this.#takeBack(place)
  }

  /** What is placed, exactly, and what the key holds. */
  #keyOf(register: Register): string {
    const beyond: number[] = []
    for (let i = this.#first, left = this.#placedCount - this.#first; left > 0; i++) {
      if (this.#must[i]?.isPlaced !== true) continue
      beyond.push(i)
      left--
    }
    const used = this.#may.flatMap(({ isPlaced }, i) => (isPlaced ? [i] : []))
    const { value, revision, isExact, isUnseen } = register
    return `${this.#first}|${beyond.join()}|${used.join()}|${revision}|${isExact}|${isUnseen}|${value}`
  }

  #note(register: Register): void {
    if (this.#placedCount <= this.#furthest.count) return
    const blocked = this.#must[this.#first] ?? null
    this.#furthest = { count: this.#placedCount, blocked, register }
  }
}

/** Whether what stood is a reason to refuse the write. A delete of nothing is refused whatever its guard. */
function isJustified({ op, ifRevision, revision }: Call): boolean {
  if (op === 'delete' && revision === 0) return true
  return ifRevision !== null && ifRevision !== revision
}

/** Whether the call says something about the state: an answer, or a guard that did not hold. */
function isObserved({ outcome, revision, op }: Call): boolean {
  if (outcome === 'info') return false
  return outcome === 'ok' || (op !== 'get' && revision !== null)
}

function isWrite({ op, outcome }: Call): boolean {
  return outcome === 'ok' && op !== 'get'
}

function toPlace(call: Call, at: number): Place {
  const content = call.op === 'get' ? call.read : call.wanted
  const value = content === null ? null : valueText(content)
  const revision = call.revision === 0 ? null : call.revision
  return { call, at, value, revision, order: -1, isPlaced: false }
}

function seen(register: Register): Register {
  return register.isUnseen ? { ...register, isUnseen: false } : register
}

function isSame(a: Register, b: Register): boolean {
  return (
    a.value === b.value &&
    a.revision === b.revision &&
    a.isExact === b.isExact &&
    a.isUnseen === b.isUnseen
  )
}

function textOf({ process, op, outcome, wanted, ifRevision, read, revision }: Call): string {
  const guard = ifRevision === null ? '' : ` if at ${ifRevision}`
  const what = op === 'get' ? valueText(read) : op === 'delete' ? '' : valueText(wanted)
  return `${op} ${what}${guard} by ${process}: ${outcome} at revision ${revision ?? 'none'}`
}
