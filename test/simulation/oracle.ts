import type { AppliedChange, Message } from '../../control-plane/ports.ts'
import type { Node } from '../../control-plane/node/node.ts'
import type { ConfState, EntryId, NodeId } from '../../control-plane/raft/messages.ts'
import { definitionKey, type DefinitionChange } from '../../shared/changes.ts'
import type { Definition } from '../../shared/definitions/kinds.ts'
import { LEAST_LEVEL, levelOf } from '../../shared/features.ts'
import type { Machine } from './machine.ts'
import { Shadow, type SeenEntry, type SeenMark } from './shadow-log.ts'

/** One revision, as whoever applied it first has it; every other node must have the same. */
export type AgreedRevision = {
  readonly revision: number
  readonly hash: string
  /** The changes as JSON. */
  readonly text: string
  readonly changes: readonly DefinitionChange[]
  /** When a node first applied it. */
  readonly atMs: number
}

type Voters = {
  readonly index: number
  readonly voters: readonly NodeId[]
  readonly outgoing: readonly NodeId[]
}

/** Memberships that may have been in force when an entry was committed. */
const RECENT_MEMBERSHIPS = 3

/**
 * Sees everything that any node sends, writes and applies, and holds it against the properties of Raft and of the
 * replicated state. What it finds is kept until somebody asks: code that is watched might catch what is thrown.
 */
export class Oracle {
  readonly #nowMs: () => number
  readonly #shadows = new Map<NodeId, Shadow>()
  readonly #leaders = new Map<number, NodeId>()
  /** `term:node` → whom it granted its vote. */
  readonly #votes = new Map<string, NodeId>()
  /** `index/term` → what the entry is, and the term of the one before it. */
  readonly #entries = new Map<string, { readonly digest: number; before: number | undefined }>()
  readonly #committed = new Map<number, SeenEntry>()
  readonly #checkedTo = new Map<NodeId, number>()
  readonly #marks = new Map<number, string>()
  readonly #revisions: AgreedRevision[] = []
  /** Where a client's write was put in logs: once an attempt. */
  readonly #places = new Map<string, EntryId[]>()
  readonly #ops = new Map<string, number>()
  /** Every form that a definition had, by key, oldest first. */
  readonly #forms = new Map<string, { revision: number; definition: Definition | null }[]>()
  #memberships: Voters[] = []
  #failure: Error | null = null

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  /** The first property that was found broken, or null. */
  get failure(): Error | null {
    return this.#failure
  }

  /** Every revision that any node has applied, in order. */
  get revisions(): readonly AgreedRevision[] {
    return this.#revisions
  }

  /** Highest revision that any node has applied. */
  get newest(): number {
    return this.#revisions.length
  }

  fail(what: string): void {
    this.#failure ??= new Error(what)
  }

  revision(revision: number): AgreedRevision | undefined {
    return this.#revisions[revision - 1]
  }

  /** Every definition at a revision, by key. */
  configAt(revision: number): Map<string, Definition> {
    const config = new Map<string, Definition>()
    for (const { changes } of this.#revisions.slice(0, revision)) applyTo(config, changes)
    return config
  }

  /** One definition at a revision, or null. */
  definitionAt(key: string, revision: number): Definition | null {
    const forms = this.#forms.get(key) ?? []
    return forms.findLast((form) => form.revision <= revision)?.definition ?? null
  }

  /** The revision that a client's write became, if any node has applied it. */
  revisionOf(op: string): number | undefined {
    return this.#ops.get(op)
  }

  expectEqual(found: unknown, expected: unknown, what: string): void {
    if (found !== expected) this.fail(`${what}: ${String(found)}, expected ${String(expected)}`)
  }

  shadowOf(machine: Machine): Shadow {
    const known = this.#shadows.get(machine.id) ?? new Shadow()
    this.#shadows.set(machine.id, known)
    return known
  }

  /** A process begins on what its disk holds. */
  onBoot(machine: Machine): void {
    this.shadowOf(machine).reload(machine.platter)
  }

  /** A node stands: what it restored must be what others had there. */
  onStart(machine: Machine, node: Node): void {
    let at = node.state.revision
    this.#checkPoint(machine, node)
    node.onApplied((change) => {
      this.#onApplied(machine, node, change)
      this.expectEqual(change.revision, at + 1, `${machine.name} applied a revision out of turn`)
      at = change.revision
    })
    node.onReset(() => {
      if (node.state.revision < at) this.fail(`${machine.name} went back to ${node.state.revision}`)
      at = node.state.revision
      this.#checkPoint(machine, node)
    })
  }

  onMessage(machine: Machine, message: Message): void {
    const { durable } = this.shadowOf(machine)
    const { term, from } = message
    switch (message.type) {
      case 'app':
      case 'heartbeat':
      case 'timeout-now':
      case 'snap': {
        const leader = this.#leaders.get(term) ?? from
        this.#leaders.set(term, leader)
        this.expectEqual(from, leader, `election safety: two leaders in term ${term}`)
        return
      }
      case 'vote-resp': {
        if (message.reject) return
        const key = `${term}:${from}`
        const voted = this.#votes.get(key) ?? message.to
        this.#votes.set(key, voted)
        this.expectEqual(message.to, voted, `${machine.name} granted two votes in term ${term}`)
        const { hardState } = durable
        const isKept =
          hardState.term > term || (hardState.term === term && hardState.vote === message.to)
        if (!isKept) this.fail(`${machine.name} granted a vote in term ${term} that is not durable`)
        return
      }
      case 'app-resp': {
        if (message.reject) return
        if (message.index > durable.lastIndex)
          this.fail(
            `${machine.name} acknowledged ${message.index}, durable is ${durable.lastIndex}`,
          )
        if (term > durable.hardState.term)
          this.fail(`${machine.name} acknowledged in term ${term}, which is not durable`)
        return
      }
      default:
        return
    }
  }

  onWritten(machine: Machine, batch: Parameters<Shadow['write']>[0]): void {
    const shadow = this.shadowOf(machine)
    const before = shadow.written.hardState
    const { entries, marks, hardState } = shadow.write(batch)
    if (hardState !== null) {
      if (hardState.term < before.term)
        this.fail(`${machine.name} went back to term ${hardState.term}`)
      const isSecond = hardState.term === before.term && before.vote !== 0
      if (isSecond) this.expectEqual(hardState.vote, before.vote, `${machine.name} voted twice`)
    }
    for (const { index, entry } of entries) this.#onEntry(machine, shadow, { index, entry })
    for (const mark of marks) this.#onMark(machine, shadow, mark)
  }

  onSynced(machine: Machine): void {
    this.shadowOf(machine).sync()
  }

  /** At the end: every acknowledged write stands where it was said to. */
  checkAcknowledged(op: string, revision: number): void {
    this.expectEqual(this.#ops.get(op), revision, `acknowledged write ${op} is lost or moved`)
  }

  #onEntry(
    machine: Machine,
    { written }: Shadow,
    { index, entry }: { readonly index: number; readonly entry: SeenEntry },
  ): void {
    const key = `${index}/${entry.term}`
    const before = written.termAt(index - 1)
    const known = this.#entries.get(key)
    if (known === undefined) this.#entries.set(key, { digest: entry.digest, before })
    else {
      this.expectEqual(entry.digest, known.digest, `log matching: entry ${key} of ${machine.name}`)
      known.before ??= before
      if (before !== undefined)
        this.expectEqual(
          before,
          known.before,
          `log matching: before entry ${key} of ${machine.name}`,
        )
    }
    if (entry.op !== null && known === undefined) {
      const places = this.#places.get(entry.op) ?? []
      places.push({ index, term: entry.term })
      this.#places.set(entry.op, places)
    }
    const isFirstOfLeader = this.#leaders.get(entry.term) === machine.id && before !== entry.term
    if (isFirstOfLeader) this.#checkComplete(machine, written, { index, term: entry.term })
  }

  /** Leader completeness: whoever leads holds what was committed before its term. */
  #checkComplete(
    machine: Machine,
    log: Shadow['written'],
    first: { readonly index: number; readonly term: number },
  ): void {
    for (const [index, { term }] of this.#committed) {
      if (term >= first.term || index <= log.base.index) continue
      if (log.termAt(index) !== term)
        this.fail(
          `leader completeness: ${machine.name} leads in ${first.term} without entry ${index}`,
        )
    }
  }

  /** State-machine safety: what is applied at an index is the same everywhere. */
  #onMark(machine: Machine, { written }: Shadow, mark: SeenMark): void {
    const { appliedIndex, appliedTerm, revision, hash, confState } = mark
    const text = JSON.stringify([appliedTerm, revision, hash, confState.voters, confState.learners])
    const known = this.#marks.get(appliedIndex) ?? text
    this.#marks.set(appliedIndex, known)
    this.expectEqual(text, known, `state at index ${appliedIndex} of ${machine.name}`)
    if (!mark.isInForce) return
    const { featureLevel = LEAST_LEVEL } = mark
    if (featureLevel > levelOf(machine))
      this.fail(`${machine.name} is given what its program does not know: level ${featureLevel}`)
    const from = this.#checkedTo.get(machine.id) ?? 0
    for (let index = Math.max(from, written.base.index) + 1; index <= appliedIndex; index++) {
      const entry = written.entry(index)
      if (entry === undefined) continue
      const agreed = this.#committed.get(index)
      if (agreed === undefined) this.#committed.set(index, entry)
      else if (agreed.term !== entry.term || agreed.digest !== entry.digest)
        this.fail(`state-machine safety: ${machine.name} applied another entry at ${index}`)
    }
    this.#checkedTo.set(machine.id, Math.max(from, appliedIndex))
    this.onMembership(appliedIndex, confState)
  }

  /** Somebody has applied a membership; what is applied from then on may have been committed by it. */
  onMembership(index: number, { voters, votersOutgoing: outgoing }: ConfState): void {
    const newest = this.#memberships[0]
    if (newest !== undefined && newest.index >= index) return
    if (JSON.stringify([newest?.voters, newest?.outgoing]) === JSON.stringify([voters, outgoing]))
      return
    this.#memberships.unshift({ index, voters, outgoing })
    this.#memberships = this.#memberships.slice(0, RECENT_MEMBERSHIPS)
  }

  #onApplied(machine: Machine, node: Node, change: AppliedChange): void {
    const { revision, hash, changes } = change
    const text = JSON.stringify(changes)
    const agreed = this.#revisions[revision - 1]
    if (agreed !== undefined) {
      this.expectEqual(hash, agreed.hash, `hash of revision ${revision} on ${machine.name}`)
      this.expectEqual(text, agreed.text, `revision ${revision} on ${machine.name}`)
      return
    }
    this.expectEqual(revision, this.#revisions.length + 1, `${machine.name} left a revision out`)
    this.#revisions.push({ revision, hash, text, changes, atMs: this.#nowMs() })
    for (const change of changes) {
      const { kind, name } = change.op === 'put' ? change.definition : change
      const key = definitionKey(kind, name)
      const forms = this.#forms.get(key) ?? []
      forms.push({ revision, definition: change.op === 'put' ? change.definition : null })
      this.#forms.set(key, forms)
    }
    for (const op of opsOf(changes)) {
      const earlier = this.#ops.get(op)
      if (earlier !== undefined && earlier !== revision)
        this.fail(`write ${op} happened twice: revisions ${earlier} and ${revision}`)
      this.#ops.set(op, revision)
      this.#checkQuorum(machine, node, op)
    }
  }

  /**
   * An entry is applied only once a majority of its voters holds it durably: of those in force where it is applied, which
   * may not be on any disk yet, or of those before.
   */
  #checkQuorum(machine: Machine, node: Node, op: string): void {
    const places = this.#places.get(op) ?? []
    const voters = node
      .status()
      .members.filter(({ role }) => role === 'voter')
      .map(({ id }) => id)
    const memberships = [
      ...this.#memberships,
      ...(voters.length > 0 ? [{ voters, outgoing: [] }] : []),
    ]
    const isSafe = places.some((place) => {
      const isHeld = (id: NodeId): boolean => this.#shadows.get(id)?.durable.holds(place) ?? false
      return memberships.some(
        (each) => hasMajority(each.voters, isHeld) && hasMajority(each.outgoing, isHeld),
      )
    })
    if (!isSafe) this.fail(`${machine.name} applied ${op}, which no majority holds durably`)
  }

  #checkPoint(machine: Machine, node: Node): void {
    const { revision, hash } = node.state
    if (revision === 0) return
    const agreed = this.#revisions[revision - 1]
    this.expectEqual(hash, agreed?.hash, `restored revision ${revision} on ${machine.name}`)
  }
}

function hasMajority(voters: readonly NodeId[], isHeld: (id: NodeId) => boolean): boolean {
  return voters.length === 0 || voters.filter(isHeld).length * 2 > voters.length
}

/** Brings changes into a config. */
function applyTo(config: Map<string, Definition>, changes: readonly DefinitionChange[]): void {
  for (const change of changes) {
    if (change.op === 'put') {
      const { kind, name } = change.definition
      config.set(definitionKey(kind, name), change.definition)
    } else config.delete(definitionKey(change.kind, change.name))
  }
}

/** The clients' writes that changes carry. */
function opsOf(changes: readonly DefinitionChange[]): ReadonlySet<string> {
  const ops = new Set<string>()
  for (const change of changes) {
    const op = change.op === 'put' ? change.definition.labels?.['op'] : undefined
    if (op !== undefined) ops.add(op)
  }
  return ops
}
