import { definitionKey } from '../changes.ts'
import type { Definition } from '../definitions/kinds.ts'
import { ISSUES_MAX } from '../limits.ts'
import { issuesOfStreams, neededByStreams } from './apply-streams.ts'
import {
  compileApi,
  referencesOf,
  type CompiledApi,
  type UpstreamDefinition,
} from './compile-api.ts'
import { compileUpstream } from './compile-upstream.ts'
import { apiOf, TableDraft, upstreamAt, usersOf, type RoutingTable } from './draft.ts'
import { guessUpstream } from './guess-upstream.ts'
import { unreachableRoutes } from './reachability.ts'
import { sameJson } from './same-json.ts'
import { compileStream } from './streams.ts'
import { NOT_FOR_APIS, tcpTargetAt } from './tcp-targets.ts'
import type { CompiledUpstream, CompileIssue, DefinitionChange, RoutingChange } from './types.ts'

/** All changes as one, or every reason against them. `upstreamsChanged`: keys put or removed. */
export type Applied =
  | {
      readonly ok: true
      readonly table: RoutingTable
      readonly upstreamsChanged: readonly string[]
    }
  | { readonly ok: false; readonly issues: readonly CompileIssue[] }

/**
 * Applies a transaction, all or nothing: only the state that it ends in is judged, so its order does not matter.
 * Costs the size of the changes, whatever the size of the table. The given table stays as it is.
 */
export function applyChanges(table: RoutingTable, changes: readonly DefinitionChange[]): Applied {
  return runToEnd(applyInSteps(table, changes))
}

/**
 * `applyChanges` for whoever must do other things in between: yields after each definition. Until it returns nothing
 * is decided; to give it up costs nothing.
 */
export function* applyInSteps(
  table: RoutingTable,
  changes: readonly DefinitionChange[],
): Generator<undefined, Applied> {
  const draft = new TableDraft(table)
  const issues: CompileIssue[] = []
  const apis: CompiledApi[] = []
  const streams: string[] = []
  const latest = lastOfEach(changes)
  for (const [key, change] of latest) {
    yield
    draft.hold(key, null)
    if (change.op === 'delete') {
      takeAway(draft, key, change)
      continue
    }
    const { definition } = change
    if (definition.kind === 'Stream') {
      const { name } = definition
      draft.replaceStream(name, compileStream(definition, table.streams.get(name)))
      streams.push(name)
      continue
    }
    if (definition.kind === 'Plan') {
      draft.replacePlan(definition.name, definition.spec)
      continue
    }
    if (definition.kind === 'Upstream') {
      draft.replaceUpstream(key, compileNamedUpstream(definition, table))
      continue
    }
    const compiled = compileApi(definition, apiOf(table, definition.name))
    issues.push(...compiled.issues)
    draft.replaceApi(definition.name, compiled.api)
    apis.push(compiled.api)
  }
  for (const api of apis) {
    issues.push(...missingUpstreams(draft.table, api), ...unfitUpstreams(draft.table, api))
  }
  issues.push(...unfitForApis(draft.table, latest))
  issues.push(...issuesOfStreams(draft.table, streams))
  issues.push(...neededUpstreams(draft.table, latest))
  issues.push(...(yield* unreachableRoutes(draft.table.hosts, draft.inCompany)))
  if (issues.length > 0) return { ok: false, issues }
  return { ok: true, table: draft.finish(), upstreamsChanged: draft.upstreamsChanged }
}

function takeAway(
  draft: TableDraft,
  key: string,
  { kind, name }: Extract<RoutingChange, { op: 'delete' }>,
): void {
  if (kind === 'Api') draft.replaceApi(name, null)
  else if (kind === 'Stream') draft.replaceStream(name, null)
  else if (kind === 'Plan') draft.replacePlan(name, null)
  else draft.replaceUpstream(key, null)
}

/** What a computation in steps comes to, without a pause. */
export function runToEnd<T>(steps: Generator<undefined, T>): T {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/** The last change of each definition that requests are routed by, by its key: what the changes come to. */
export function lastOfEach(
  changes: readonly DefinitionChange[],
): ReadonlyMap<string, RoutingChange> {
  const latest = new Map<string, RoutingChange>()
  for (const change of changes) if (isRouting(change)) latest.set(changeKey(change), change)
  return latest
}

/** Tokens and the like say nothing about requests. */
function isRouting(change: DefinitionChange): change is RoutingChange {
  const { kind } = change.op === 'put' ? change.definition : change
  return kind === 'Api' || kind === 'Upstream' || kind === 'Stream' || kind === 'Plan'
}

/** The key of the definition that a change is about. */
function changeKey(change: DefinitionChange): string {
  const { kind, name }: Pick<Definition, 'kind' | 'name'> =
    change.op === 'put' ? change.definition : change
  return definitionKey(kind, name)
}

/** A named Upstream; the same object as in the table when nothing that counts differs. */
export function compileNamedUpstream(
  { name, spec }: UpstreamDefinition,
  table: RoutingTable,
): CompiledUpstream {
  const key = definitionKey('Upstream', name)
  const before = upstreamAt(table, key)
  return before !== undefined && sameJson(before.spec, spec) ? before : compileUpstream(key, spec)
}

/** Every place where an Api names an Upstream that the table does not have. */
export function missingUpstreams(table: RoutingTable, api: CompiledApi): readonly CompileIssue[] {
  const missing = api.references.filter(
    (name) => upstreamAt(table, definitionKey('Upstream', name)) === undefined,
  )
  if (missing.length === 0) return NO_ISSUES
  const { name, spec } = api.definition
  const hints = new Map(missing.map((upstream) => [upstream, guessUpstream(table, upstream)]))
  return referencesOf(spec)
    .filter(({ upstream }) => hints.has(upstream))
    .map(({ path, upstream }) => {
      const message = `no Upstream "${upstream}"${hints.get(upstream) ?? ''}`
      return { kind: 'Api', name, path, message }
    })
}

/** Every place where an Api names an Upstream that is for Streams. */
export function unfitUpstreams(table: RoutingTable, api: CompiledApi): readonly CompileIssue[] {
  const isUnfit = (name: string): boolean => {
    const upstream = upstreamAt(table, definitionKey('Upstream', name))
    return upstream !== undefined && tcpTargetAt(upstream.spec) !== -1
  }
  const unfit = new Set(api.references.filter(isUnfit))
  if (unfit.size === 0) return NO_ISSUES
  const { name, spec } = api.definition
  return referencesOf(spec)
    .filter(({ upstream }) => unfit.has(upstream))
    .map(({ path, upstream }) => {
      const message = `Upstream "${upstream}" has a target with ${NOT_FOR_APIS}`
      return { kind: 'Api', name, path, message }
    })
}

/** Upstreams that the changes make one for Streams, and that Apis need which the changes leave alone. */
function unfitForApis(
  table: RoutingTable,
  latest: ReadonlyMap<string, RoutingChange>,
): readonly CompileIssue[] {
  const issues: CompileIssue[] = []
  for (const change of latest.values()) {
    if (change.op !== 'put' || change.definition.kind !== 'Upstream') continue
    const { name, spec } = change.definition
    const at = tcpTargetAt(spec)
    if (at === -1) continue
    const user = usersOf(table, name).find((api) => !latest.has(definitionKey('Api', api)))
    if (user === undefined) continue
    const message = `${NOT_FOR_APIS}, and Api "${user}" sends requests here`
    issues.push({ kind: 'Upstream', name, path: `spec.targets.${at}.url`, message })
  }
  return issues
}

const NO_ISSUES: readonly CompileIssue[] = []

/** Apis that the changes leave alone, and that need an Upstream that the changes delete. */
function neededUpstreams(
  table: RoutingTable,
  latest: ReadonlyMap<string, RoutingChange>,
): readonly CompileIssue[] {
  const issues: CompileIssue[] = []
  for (const change of latest.values()) {
    if (change.op === 'put' || change.kind !== 'Upstream') continue
    for (const name of usersOf(table, change.name)) {
      // What the changes put themselves was already told that the Upstream is missing.
      if (latest.has(definitionKey('Api', name))) continue
      const spec = apiOf(table, name)?.definition.spec
      for (const { path, upstream } of spec === undefined ? [] : referencesOf(spec)) {
        if (upstream !== change.name) continue
        const message = `no Upstream "${upstream}": it would be deleted, but is needed here`
        issues.push({ kind: 'Api', name, path, message })
      }
      if (issues.length >= ISSUES_MAX) return issues
    }
    const isChanged = (name: string) => latest.has(definitionKey('Stream', name))
    issues.push(...neededByStreams(table, change.name, isChanged))
  }
  return issues
}
