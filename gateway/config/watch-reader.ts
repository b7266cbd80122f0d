import { DEFINITIONS_MAX } from '../../shared/limits.ts'
import type { WatchLine } from '../../shared/watch-protocol.ts'
import type { Delta, Mirror } from './mirror.ts'

/** What one line of a watch did. */
export type LineResult =
  /** The mirror moved. */
  | { readonly type: 'step'; readonly delta: Delta }
  /** The node says that nothing is missing. */
  | { readonly type: 'alive' }
  | { readonly type: 'nothing' }
  /** The node ends the stream on purpose. */
  | { readonly type: 'closed'; readonly reason: string }
  /** The stream cannot be followed any further. `needsSnapshot`: nor continued from where the mirror is. */
  | { readonly type: 'broken'; readonly reason: string; readonly needsSnapshot: boolean }

const NOTHING: LineResult = { type: 'nothing' }
const DEFINITION_HEAD = '{"type":"definition","definition":'

/** Reads the lines of one watch into a mirror. One reader a stream. */
export class WatchReader {
  readonly #mirror: Mirror
  /** A snapshot on its way in, or null. */
  #incoming: {
    readonly revision: number
    readonly count: number
    readonly texts: string[]
  } | null = null
  /** The node said that our revision is not one of its own: an older snapshot is no mistake. */
  #mayGoBack = false

  constructor(mirror: Mirror) {
    this.#mirror = mirror
  }

  read(text: string): LineResult {
    // The lines of a large snapshot are cut out, not parsed: whoever uses a definition parses it.
    if (this.#incoming !== null && text.startsWith(DEFINITION_HEAD)) {
      return this.#definition(text.slice(DEFINITION_HEAD.length, -1))
    }
    const line = parseLine(text)
    if (line === null) return broken('a line is not of the watch protocol')
    switch (line.type) {
      case 'snapshot':
        return this.#beginSnapshot(line)
      case 'definition':
        return this.#definition(JSON.stringify(line.definition))
      case 'snapshot-end':
        return this.#endSnapshot(line)
      case 'change':
        return this.#change(line)
      case 'bookmark':
        return { type: 'alive' }
      case 'compacted':
        this.#mayGoBack = true
        return NOTHING
      case 'closed':
        return { type: 'closed', reason: `${line.code}: ${line.reason}` }
      default:
        // A line that a newer node says beside what this version knows.
        return NOTHING
    }
  }

  #beginSnapshot(line: Extract<WatchLine, { type: 'snapshot' }>): LineResult {
    const { revision } = this.#mirror
    if (revision !== null && line.revision < revision && !this.#mayGoBack) {
      const reason = `the node is at revision ${line.revision}, this gateway at ${revision}`
      return { type: 'broken', reason, needsSnapshot: false }
    }
    if (line.count > DEFINITIONS_MAX) {
      const reason = `the config has ${line.count} definitions, more than DEFINITIONS_MAX`
      return { type: 'broken', reason, needsSnapshot: true }
    }
    this.#incoming = { revision: line.revision, count: line.count, texts: [] }
    return NOTHING
  }

  #definition(text: string): LineResult {
    const incoming = this.#incoming
    if (incoming === null) return broken('a definition came outside a snapshot')
    if (incoming.texts.length === incoming.count) return broken('a snapshot is longer than it said')
    incoming.texts.push(text)
    return NOTHING
  }

  #endSnapshot(line: Extract<WatchLine, { type: 'snapshot-end' }>): LineResult {
    const incoming = this.#incoming
    this.#incoming = null
    if (incoming === null || incoming.revision !== line.revision) {
      return broken('a snapshot ended that had not begun')
    }
    if (incoming.texts.length !== incoming.count) {
      return broken(`a snapshot of ${incoming.count} had ${incoming.texts.length} definitions`)
    }
    const { revision, texts } = incoming
    const stepped = this.#mirror.snapshot({ revision, hash: line.hash, texts })
    this.#mayGoBack = false
    return stepped.ok ? { type: 'step', delta: stepped.delta } : broken(stepped.reason)
  }

  #change(line: Extract<WatchLine, { type: 'change' }>): LineResult {
    const stepped = this.#mirror.change(line)
    if (stepped === null) return NOTHING
    return stepped.ok ? { type: 'step', delta: stepped.delta } : broken(stepped.reason)
  }
}

function broken(reason: string): LineResult {
  return { type: 'broken', reason, needsSnapshot: true }
}

function parseLine(text: string): WatchLine | null {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || !('type' in value)) return null
    return isWellFormed(value) ? value : null
  } catch {
    return null
  }
}

/** The members that are read here have the types that they are read as. Definitions are checked where they are used. */
function isWellFormed(line: object): line is WatchLine {
  const { type, revision, hash, changes, count } = line as Readonly<Record<string, unknown>>
  const isHash = typeof hash === 'string' && /^[0-9a-f]{64}$/.test(hash)
  const isRevision = typeof revision === 'number' && Number.isSafeInteger(revision)
  if (type === 'snapshot') return isRevision && typeof count === 'number'
  if (type === 'snapshot-end') return isRevision && isHash
  if (type === 'change')
    return isRevision && isHash && Array.isArray(changes) && changes.every(isChange)
  if (type === 'definition') return 'definition' in line
  return type !== 'bookmark' || isRevision
}

function isChange(change: unknown): boolean {
  if (typeof change !== 'object' || change === null) return false
  const { op, definition, kind, name } = change as Readonly<Record<string, unknown>>
  if (op === 'delete') return typeof kind === 'string' && typeof name === 'string'
  if (op !== 'put' || typeof definition !== 'object' || definition === null) return false
  const named = definition as Readonly<Record<string, unknown>>
  return typeof named['kind'] === 'string' && typeof named['name'] === 'string'
}
