// What a watcher saw, against what the cluster committed.
import { createHash } from 'node:crypto'
import { definitionKey, type DefinitionChange } from '../../shared/changes.ts'
import type { Definition } from '../../shared/definitions/kinds.ts'
import type { WatchLine } from '../../shared/watch-protocol.ts'

/** One committed revision, from the log or the history of a node that is known to be right. */
type CommittedChange = {
  readonly revision: number
  readonly changes: readonly DefinitionChange[]
}

/** Every revision from the first one after `base` on, in order. Without `base` that is revision 1. */
export type Truth = {
  readonly base?: { readonly revision: number; readonly definitions: readonly Definition[] }
  readonly changes: readonly CommittedChange[]
}

/** What happened at one watcher, in its order. */
export type WatchEvent =
  /** A stream begins: asked for what is after `from`, or, with null, for everything. */
  | { readonly type: 'open'; readonly from: number | null }
  | {
      readonly type: 'line'
      readonly line: WatchLine
      /** The highest revision that any node had applied when the line arrived; null when that is not known. */
      readonly committed: number | null
    }
  /** The watcher lost what it had, as a process does that starts anew without a last-good file. */
  | { readonly type: 'forgot' }

/**
 * Everything that is wrong, in words; empty when nothing is: a gap, a repeat, a step back, a change that was never
 * committed or not yet, a bookmark that is not where the changes are, a snapshot that is not the config at its
 * revision, a line out of place, a config hash that is not that of the config. After every line the watcher's copy is
 * the config at its revision, so that whatever it resumed from, the result is as if it had seen everything.
 */
export function checkWatch(events: readonly WatchEvent[], truth: Truth): string[] {
  const check = new WatchCheck(truth)
  for (const event of events) check.take(event)
  return check.problems
}

/** The position of a stream in its grammar: before its first line, among changes, or inside a snapshot. */
type Phase =
  | { readonly type: 'opened'; readonly from: number | null }
  | { readonly type: 'compacted' }
  | { readonly type: 'changes' }
  | {
      readonly type: 'snapshot'
      readonly revision: number
      readonly count: number
      readonly copy: Copy
    }
  | { readonly type: 'closed' }

class WatchCheck {
  readonly problems: string[] = []
  readonly #truth: ReadonlyMap<number, CommittedChange>
  readonly #configs: Configs
  readonly #last: number
  #phase: Phase = { type: 'closed' }
  /** What the watcher has, and at which revision; null: nothing. */
  #copy: Copy | null = null
  #at = 0
  #events = 0

  constructor(truth: Truth) {
    this.#truth = new Map(truth.changes.map((change) => [change.revision, change]))
    this.#configs = new Configs(truth)
    this.#last = truth.changes.at(-1)?.revision ?? truth.base?.revision ?? 0
  }

  take(event: WatchEvent): void {
    this.#events++
    switch (event.type) {
      case 'forgot':
        this.#copy = null
        this.#at = 0
        this.#phase = { type: 'closed' }
        return
      case 'open':
        this.#open(event.from)
        return
      case 'line':
        this.#line(event.line, event.committed)
        return
    }
  }

  #wrong(what: string): void {
    this.problems.push(`event ${this.#events - 1}: ${what}`)
  }

  #open(from: number | null): void {
    // Before the first revision there is nothing to have.
    if (from !== null && (from !== this.#at || (this.#copy === null && from !== 0))) {
      this.#wrong(
        `the watcher resumes from ${from}, and has ${this.#copy === null ? 'nothing' : this.#at}`,
      )
    }
    this.#phase = { type: 'opened', from }
  }

  #line(line: WatchLine, committed: number | null): void {
    if (this.#phase.type === 'closed') this.#wrong(`a ${line.type} after the end`)
    if ('revision' in line) this.#checkFuture(line.type, line.revision, committed)
    switch (line.type) {
      case 'snapshot':
        return this.#snapshot(line.revision, line.count)
      case 'definition':
        return this.#definition(line.definition)
      case 'snapshot-end':
        return this.#snapshotEnd(line.revision, line.hash)
      case 'change':
        return this.#change(line)
      case 'bookmark':
        return this.#bookmark(line.revision)
      case 'compacted':
        this.#expectChanges('compacted')
        this.#phase = { type: 'compacted' }
        return
      case 'closed':
        this.#phase = { type: 'closed' }
        return
    }
  }

  #checkFuture(type: string, revision: number, committed: number | null): void {
    const newest = Math.min(committed ?? this.#last, this.#last)
    if (revision > newest)
      this.#wrong(`a ${type} of revision ${revision} from the future: ${newest} is the newest`)
  }

  #snapshot(revision: number, count: number): void {
    const { type } = this.#phase
    const isFirst = type === 'opened' && this.#phase.from === null
    if (!isFirst && type !== 'compacted')
      this.#wrong('a snapshot that was not asked for or announced')
    // Whoever comes with a copy may be given an older config only by a cluster that was restored; that is another truth.
    if (this.#copy !== null && revision < this.#at) {
      this.#wrong(`a snapshot of revision ${revision} takes the watcher back from ${this.#at}`)
    }
    this.#phase = { type: 'snapshot', revision, count, copy: new Copy() }
  }

  #definition(definition: Definition): void {
    if (this.#phase.type !== 'snapshot') return this.#wrong('a definition outside of a snapshot')
    if (this.#phase.copy.has(definition)) this.#wrong(`${definition.name} is twice in a snapshot`)
    this.#phase.copy.apply({ op: 'put', definition })
  }

  #snapshotEnd(revision: number, hash: string): void {
    const phase = this.#phase
    if (phase.type !== 'snapshot') return this.#wrong('the end of a snapshot that did not begin')
    if (revision !== phase.revision)
      this.#wrong(`a snapshot of ${phase.revision} ends as ${revision}`)
    if (phase.copy.count !== phase.count) {
      this.#wrong(`a snapshot of ${phase.count} definitions has ${phase.copy.count}`)
    }
    this.#copy = phase.copy
    this.#at = phase.revision
    this.#phase = { type: 'changes' }
    this.#checkCopy(hash)
  }

  #change(line: Extract<WatchLine, { type: 'change' }>): void {
    this.#expectChanges('change')
    const { revision } = line
    if (revision === this.#at) this.#wrong(`revision ${revision} again`)
    else if (revision < this.#at) this.#wrong(`revision ${revision} after ${this.#at}`)
    else if (revision > this.#at + 1) this.#wrong(`revision ${revision} after ${this.#at}: a gap`)
    const committed = this.#truth.get(revision)
    if (committed === undefined) this.#wrong(`revision ${revision} was never committed`)
    else if (JSON.stringify(committed.changes) !== JSON.stringify(line.changes)) {
      this.#wrong(`revision ${revision} is not what was committed`)
    }
    this.#copy ??= new Copy()
    for (const change of line.changes) this.#copy.apply(change)
    this.#at = revision
    this.#checkCopy(line.hash)
  }

  #bookmark(revision: number): void {
    this.#expectChanges('bookmark')
    if (revision > this.#at)
      this.#wrong(`a bookmark of ${revision} is ahead of its events, at ${this.#at}`)
    if (revision < this.#at) this.#wrong(`a bookmark of ${revision} after revision ${this.#at}`)
  }

  /** Changes, bookmarks and the news of a compaction come after a snapshot, or first in a stream that resumes. */
  #expectChanges(type: string): void {
    const phase = this.#phase
    const isResumed = phase.type === 'opened' && phase.from !== null
    if (phase.type !== 'changes' && !isResumed) this.#wrong(`a ${type} out of place`)
    if (isResumed) this.#phase = { type: 'changes' }
  }

  #checkCopy(hash: string): void {
    const own = this.#copy?.hash ?? ''
    if (own !== hash)
      this.#wrong(`the config hash of revision ${this.#at} is not that of the watcher's copy`)
    const right = this.#configs.hashAt(this.#at)
    if (right !== null && own !== right)
      this.#wrong(`the watcher's copy is not the config at ${this.#at}`)
  }
}

/** The config hash at every revision of the truth. */
class Configs {
  readonly #hashes = new Map<number, string>()

  constructor({ base, changes }: Truth) {
    const copy = new Copy()
    for (const definition of base?.definitions ?? []) copy.apply({ op: 'put', definition })
    this.#hashes.set(base?.revision ?? 0, copy.hash)
    for (const { revision, changes: steps } of changes) {
      for (const step of steps) copy.apply(step)
      this.#hashes.set(revision, copy.hash)
    }
  }

  hashAt(revision: number): string | null {
    return this.#hashes.get(revision) ?? null
  }
}

const MODULUS = 1n << 256n

/** Definitions by name, and the sum of their digests: a second implementation of the config hash, in big integers. */
class Copy {
  readonly #texts = new Map<string, string>()
  #sum = 0n

  get count(): number {
    return this.#texts.size
  }

  get hash(): string {
    return this.#sum.toString(16).padStart(64, '0')
  }

  has({ kind, name }: Definition): boolean {
    return this.#texts.has(definitionKey(kind, name))
  }

  apply(change: DefinitionChange): void {
    const { kind, name } = change.op === 'put' ? change.definition : change
    const key = definitionKey(kind, name)
    const before = this.#texts.get(key)
    if (before !== undefined) this.#sum = (this.#sum - digest(before) + MODULUS) % MODULUS
    this.#texts.delete(key)
    if (change.op === 'delete') return
    const text = JSON.stringify(change.definition)
    this.#texts.set(key, text)
    this.#sum = (this.#sum + digest(text)) % MODULUS
  }
}

/** Little-endian, as `shared/config-hash.ts` reads it. */
function digest(text: string): bigint {
  const bytes = [...createHash('sha256').update(text).digest()]
  return BigInt(`0x${Buffer.from(bytes.reverse()).toString('hex')}`)
}
