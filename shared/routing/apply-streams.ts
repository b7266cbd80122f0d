import { definitionKey } from '../changes.ts'
import { ISSUES_MAX, QUARANTINE_REASON_CHARS_MAX } from '../limits.ts'
import { guessUpstream } from './guess-upstream.ts'
import { upstreamAt, type Pending, type RoutingTable, type TableDraft } from './draft.ts'
import {
  compileStream,
  conflictsOf,
  issuesOfStream,
  type CompiledStream,
  type StreamDefinition,
} from './streams.ts'
import type { CompileIssue, RoutingChange } from './types.ts'

type StreamsByPort = ReadonlyMap<number, readonly CompiledStream[]>

/** Everything that is wrong with the Streams of these names in the company of all others. */
export function issuesOfStreams(
  table: RoutingTable,
  names: readonly string[],
): readonly CompileIssue[] {
  const issues: CompileIssue[] = []
  const byPort = names.length === 0 ? NO_PORTS : streamsByPort(table)
  for (const name of names) {
    const stream = table.streams.get(name)
    if (stream === undefined) continue
    issues.push(...issuesOfStream(stream), ...missingUpstream(table, stream))
    issues.push(...conflictsOf(stream, others(byPort, stream)))
    if (issues.length >= ISSUES_MAX) break
  }
  return issues
}

const NO_PORTS: StreamsByPort = new Map()

/** Streams that need a named Upstream, in the order of their names. */
export function streamsUsing(table: RoutingTable, upstream: string): readonly CompiledStream[] {
  const key = definitionKey('Upstream', upstream)
  return [...table.streams.values()]
    .filter(({ upstreamKey }) => upstreamKey === key)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

/** What a Stream misses whose Upstream the changes delete. */
export function neededByStreams(
  table: RoutingTable,
  upstream: string,
  isChanged: (name: string) => boolean,
): readonly CompileIssue[] {
  const message = `no Upstream "${upstream}": it would be deleted, but is needed here`
  return streamsUsing(table, upstream)
    .filter(({ name }) => !isChanged(name))
    .map(({ name }) => ({ kind: 'Stream', name, path: 'spec.upstream', message }))
}

/**
 * Carries out changes of Streams, each for itself. First all of them leave, then they come in: they may have changed places.
 * One that cannot be used is held, and its last form stays where that is still possible.
 */
export function adoptStreams(draft: TableDraft, work: ReadonlyMap<string, RoutingChange>): void {
  const before = new Map<string, CompiledStream>()
  const puts: [string, RoutingChange, StreamDefinition][] = []
  for (const [key, change] of work) {
    if (change.op === 'delete' && change.kind !== 'Stream') continue
    if (change.op === 'put' && change.definition.kind !== 'Stream') continue
    const name = change.op === 'put' ? change.definition.name : change.name
    const old = draft.table.streams.get(name)
    if (old !== undefined) before.set(name, old)
    draft.replaceStream(name, null)
    draft.hold(key, null)
    if (change.op === 'put' && change.definition.kind === 'Stream') {
      puts.push([key, change, change.definition])
    }
  }
  const held = puts.flatMap(([key, change, definition]) => {
    const pending = adoptStream(draft, { key, change, definition }, before.get(definition.name))
    return pending === null ? [] : [{ name: definition.name, pending }]
  })
  for (const { name, pending } of held) {
    draft.hold(pending.key, pending)
    const old = before.get(name)
    if (old !== undefined && whyNot(draft.table, old).length === 0) draft.replaceStream(name, old)
  }
}

function adoptStream(
  draft: TableDraft,
  put: {
    readonly key: string
    readonly change: RoutingChange
    readonly definition: StreamDefinition
  },
  before: CompiledStream | undefined,
): Pending | null {
  const { key, change, definition } = put
  const stream = compileStream(definition, before)
  const own = issuesOfStream(stream)
  const issues = [...own, ...whyNot(draft.table, stream)]
  if (issues.length === 0) {
    draft.replaceStream(definition.name, stream)
    return null
  }
  const texts = issues.map(({ path, message }) => `${path}: ${message}`)
  const reason = texts.join('; ').slice(0, QUARANTINE_REASON_CHARS_MAX)
  return { key, change, reason, waitsForOthers: own.length === 0 }
}

function whyNot(table: RoutingTable, stream: CompiledStream): readonly CompileIssue[] {
  const company = [...table.streams.values()].filter(
    ({ name, port }) => port === stream.port && name !== stream.name,
  )
  return [...missingUpstream(table, stream), ...conflictsOf(stream, company)]
}

function missingUpstream(
  table: RoutingTable,
  { name, definition, upstreamKey }: CompiledStream,
): readonly CompileIssue[] {
  const { upstream } = definition.spec
  if (typeof upstream !== 'string' || upstreamAt(table, upstreamKey) !== undefined) return []
  const message = `no Upstream "${upstream}"${guessUpstream(table, upstream)}`
  return [{ kind: 'Stream', name, path: 'spec.upstream', message }]
}

function streamsByPort(table: RoutingTable): StreamsByPort {
  const byPort = new Map<number, CompiledStream[]>()
  for (const stream of table.streams.values()) {
    const here = byPort.get(stream.port)
    if (here === undefined) byPort.set(stream.port, [stream])
    else here.push(stream)
  }
  return byPort
}

function others(byPort: StreamsByPort, stream: CompiledStream): readonly CompiledStream[] {
  return (byPort.get(stream.port) ?? []).filter((other) => other !== stream)
}
