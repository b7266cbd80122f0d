import { assert } from '../../shared/assert.ts'
import type { DefinitionChange } from '../../shared/changes.ts'
import { ConfigHash } from '../../shared/config-hash.ts'
import type { Definition, Kind } from '../../shared/definitions/kinds.ts'
import { LEAST_LEVEL } from '../../shared/features.ts'
import {
  adoptChanges,
  EMPTY_TABLE,
  runToEnd,
  type RoutingTable,
} from '../../shared/routing/table.ts'
import type {
  AppliedChange,
  AppliedRecord,
  ClusterAccess,
  HistoryChange,
  HistoryRecord,
  NodeAddress,
  RestoredState,
  UsageCommand,
  WriteCommand,
  WriteResult,
} from '../ports.ts'
import type { NodeId } from '../raft/messages.ts'
import { CredentialTable } from './credential-table.ts'
import { claimsOf, credentialsOf } from './credentials.ts'
import { DefinitionMap } from './definition-map.ts'
import { IdempotencyWindow } from './idempotency.ts'
import { runTransaction, type Transaction } from './transaction.ts'
import { Usage, type UsageApplied } from './usage.ts'

/** What one command did: `change` is null and `records` empty when nothing changed. */
export type Applied = {
  readonly result: WriteResult
  readonly change: AppliedChange | null
  /** What the disk must remember, in order. */
  readonly records: readonly AppliedRecord[]
}

/**
 * What the cluster replicates, as one node has applied it. Every method is decided by the state and its arguments
 * alone, so that nodes that apply the same entries are equal; the routing table is derived and decides nothing.
 */
export class ReplicatedState {
  readonly #definitions = new DefinitionMap()
  readonly #members = new Map<NodeId, NodeAddress>()
  readonly #idempotency: IdempotencyWindow
  readonly usage: Usage
  /** Of all definitions. Derived: it decides nothing here, a leader asks it. */
  readonly #credentials = new CredentialTable()
  #hash: string
  #revision: number
  #compactedRevision: number
  #access: ClusterAccess | null
  #featureLevel: number
  #table: RoutingTable
  /** Changes that the table does not have yet, oldest first, from `#uncompiledAt` on. */
  #uncompiled: DefinitionChange[] = []
  #uncompiledAt = 0

  /** A state without definitions or members at revision 0, or the one that `parts` describe. */
  constructor(parts: RestoredState | null = null) {
    for (const definition of parts?.definitions ?? []) {
      this.#definitions.set(definition)
      for (const { digest } of credentialsOf(definition))
        this.#credentials.set(digest, definition.name)
    }
    for (const member of parts?.members ?? []) this.#members.set(member.id, member)
    this.#idempotency = new IdempotencyWindow(parts?.idempotency)
    this.usage = new Usage(parts ?? {})
    this.#hash = parts?.hash ?? new ConfigHash().toHex()
    this.#revision = parts?.revision ?? 0
    this.#compactedRevision = parts?.compactedRevision ?? 0
    this.#access = parts?.access ?? null
    this.#featureLevel = parts?.featureLevel ?? LEAST_LEVEL
    this.#table = EMPTY_TABLE
    for (const definition of this.#definitions.list())
      this.#uncompiled.push({ op: 'put', definition })
  }

  /** Continues from what a store or a snapshot holds; `parts.hash` must be the sum over `parts.definitions`. */
  static restore(parts: RestoredState): ReplicatedState {
    return new ReplicatedState(parts)
  }

  /** Number of the last committed write; 0 before the first. */
  get revision(): number {
    return this.#revision
  }

  /** Config hash at `revision`: 64 hex digits. */
  get hash(): string {
    return this.#hash
  }

  /** History up to and with this revision is no longer kept. ≤ revision. */
  get compactedRevision(): number {
    return this.#compactedRevision
  }

  /** Highest level of any feature that a command has used: a node that knows less cannot apply the log. */
  get featureLevel(): number {
    return this.#featureLevel
  }

  get count(): number {
    return this.#definitions.count
  }

  get members(): ReadonlyMap<NodeId, NodeAddress> {
    return this.#members
  }

  /** How the first admin is let in; null until a leader has made it. */
  get access(): ClusterAccess | null {
    return this.#access
  }

  /**
   * The routing table of the state; immutable, the next change makes another one. Compiles whatever `compileSome` has
   * not come to yet.
   */
  get table(): RoutingTable {
    this.compileSome(Number.MAX_SAFE_INTEGER)
    return this.#table
  }

  /**
   * Brings changes of up to `routesMax` routes into the table, at least one, and says how many changes are left. The table
   * decides nothing, so it may come later than the state: a node that only follows compiles in its own time.
   */
  compileSome(routesMax: number): number {
    let end = this.#uncompiledAt
    for (let routes = 0; end < this.#uncompiled.length; end++) {
      routes += routesOf(this.#uncompiled[end])
      if (routes > routesMax && end > this.#uncompiledAt) break
    }
    const changes = this.#uncompiled.slice(this.#uncompiledAt, end)
    // If the leader knows more than this version, what cannot be used here is quarantined in the table, and the
    // definitions stand: they are decided by the commands alone.
    if (changes.length > 0) this.#table = adoptChanges(this.#table, changes).table
    this.#uncompiledAt += changes.length
    const left = this.#uncompiled.length - this.#uncompiledAt
    if (left === 0 && this.#uncompiledAt > 0) {
      this.#uncompiled = []
      this.#uncompiledAt = 0
    }
    return left
  }

  /** Takes over the table of this very revision from whoever has compiled it before. */
  adoptTable(table: RoutingTable, revision: number): void {
    assert(revision === this.#revision, 'a table is adopted at its own revision')
    this.#table = table
    this.#uncompiled = []
    this.#uncompiledAt = 0
  }

  get(kind: Kind, name: string): Definition | undefined {
    return this.#definitions.get(kind, name)
  }

  /** Of one kind, or of all, in the order of KINDS, then by name. The array is the caller's. */
  list(kind?: Kind): Definition[] {
    return this.#definitions.list(kind)
  }

  /** Name of the Consumer that has a credential, by the digest of `credentialsOf`; null if nobody has. */
  ownerOf(digest: string): string | null {
    return this.#credentials.ownerOf(digest)
  }

  /**
   * The first result of an idempotency key that was applied before, the refusal of one that was applied for another
   * write, or null.
   */
  findResult(write: { readonly key: string; readonly fingerprint: string }): WriteResult | null {
    return this.#idempotency.find(write, this.#revision)
  }

  /**
   * Applies the write at a log index. Total: a refusal changes nothing and is the same on every node. Definitions are
   * taken as they are, because the leader validated them.
   */
  apply(command: WriteCommand, index: number): Applied {
    return runToEnd(this.applyInSteps(command, index))
  }

  /**
   * `apply` for a write of many definitions: yields while it works out what the write comes to. The state stays as it was
   * until the last step, which changes all of it; nothing else may change it meanwhile.
   */
  *applyInSteps(command: WriteCommand, index: number): Generator<undefined, Applied> {
    const known = this.findResult(command)
    if (known !== null) return { result: known, change: null, records: [] }
    const transaction = runTransaction(this, command)
    if (!transaction.ok) return { result: transaction, change: null, records: [] }
    const sum = ConfigHash.fromHex(this.#hash)
    for (const { before, after } of transaction.changes) {
      if (before !== null) sum.remove(JSON.stringify(before))
      if (after !== null) sum.add(JSON.stringify(after))
      yield
    }
    return this.#commit(command, transaction, { index, hash: sum.toHex() })
  }

  /** Notes the level of a command that is applied. Whether that is news. */
  useFeatures(level: number): boolean {
    if (level <= this.#featureLevel) return false
    this.#featureLevel = level
    return true
  }

  /** A member joined, or came back under other addresses. */
  applyMember(address: NodeAddress): void {
    this.#members.set(address.id, address)
  }

  /** A member left; nothing happens when it is unknown. */
  removeMember(id: NodeId): void {
    this.#members.delete(id)
  }

  /**
   * Takes the access that a leader made, unless an earlier one stands: two leaders that each made one agree on the
   * first. Returns what the disk must remember.
   */
  applyAccess(access: ClusterAccess): readonly AppliedRecord[] {
    if (this.#access !== null) return []
    this.#access = access
    return [{ type: 'access', access }]
  }

  /** Counts what gateways report. */
  applyUsage(command: UsageCommand): UsageApplied {
    return this.usage.apply(
      command,
      (name) => this.#definitions.get('Consumer', name) !== undefined,
    )
  }

  /** History up to and with `upTo` is gone from disk. Never moves back, never beyond `revision`. */
  compactHistory(upTo: number): void {
    this.#compactedRevision = Math.max(this.#compactedRevision, Math.min(upTo, this.#revision))
  }

  #commit(
    command: WriteCommand,
    { revision, results, changes }: Extract<Transaction, { ok: true }>,
    { index, hash }: { readonly index: number; readonly hash: string },
  ): Applied {
    for (const { kind, name, after } of changes) {
      if (after === null) this.#definitions.delete(kind, name)
      else this.#definitions.set(after)
    }
    for (const { digest, from, to } of claimsOf(changes)) {
      if (from !== null) this.#credentials.delete(digest, from)
      if (to !== null) this.#credentials.set(digest, to)
    }
    this.#revision = revision
    this.#hash = hash
    const steps = changes.map(definitionChange)
    for (const step of steps) this.#uncompiled.push(step)
    const { atMs, author, origin, message, key, fingerprint } = command
    const result = { ok: true, revision, results, isRepeat: false } as const
    const who = origin === undefined ? { author } : { author, origin }
    const history: HistoryRecord = { revision, atMs, ...who, message, changes }
    const written: AppliedRecord = { type: 'revision', history, hash: this.#hash }
    const remembered = this.#idempotency.remember({ key, fingerprint, result }, index)
    const forgotten = changes.flatMap(({ kind, name, after }) =>
      kind === 'Consumer' && after === null ? this.usage.forget(name) : [],
    )
    return {
      result,
      change: { revision, hash: this.#hash, changes: steps, atMs },
      records: [written, ...remembered, ...forgotten],
    }
  }
}

/** A change as watchers see it: without what it replaced. */
export function definitionChange({ kind, name, after }: HistoryChange): DefinitionChange {
  return after === null ? { op: 'delete', kind, name } : { op: 'put', definition: after }
}

/** What a change costs to compile. */
function routesOf(change: DefinitionChange | undefined): number {
  return change?.op === 'put' && change.definition.kind === 'Api'
    ? change.definition.spec.routes.length
    : 1
}
