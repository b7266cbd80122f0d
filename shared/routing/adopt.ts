import { QUARANTINE_REASON_CHARS_MAX } from '../limits.ts'
import { adoptStreams, streamsUsing } from './apply-streams.ts'
import { compileNamedUpstream, lastOfEach, missingUpstreams, unfitUpstreams } from './apply.ts'
import { compileApi, type ApiDefinition, type UpstreamDefinition } from './compile-api.ts'
import { apiOf, pendingOf, TableDraft, usersOf, type Pending, type RoutingTable } from './draft.ts'
import type { Definition, DefinitionChange, Quarantined, RoutingChange } from './types.ts'

export type Adopted = {
  readonly table: RoutingTable
  /** Everything in quarantine now, whatever change brought it there; in order of kind and name. */
  readonly quarantined: readonly Quarantined[]
  /** Keys put or removed. */
  readonly upstreamsChanged: readonly string[]
  /** Those of them that must live before their first request. */
  readonly upstreamsWatched: readonly string[]
}

/**
 * Applies changes each for itself: for a gateway, which must go on with whatever it can use. A definition that does
 * not compile here, or needs an Upstream that is not there, is quarantined: its last good form stays in force, and so
 * does every Upstream that this form needs. Its next form, its deletion, or the Upstream that it waits for, ends that.
 * Routes that can never be reached are no reason: they hurt nobody.
 */
export function adoptChanges(table: RoutingTable, changes: readonly DefinitionChange[]): Adopted {
  const draft = new TableDraft(table)
  const latest = lastOfEach(changes)
  const work = new Map<string, RoutingChange>(latest)
  for (const { key, change, waitsForOthers } of pendingOf(table)) {
    if (waitsForOthers && !work.has(key)) work.set(key, change)
  }
  // An Upstream comes before the Apis that need it, and goes after them.
  for (const phase of ['Plan', 'put Upstream', 'Api', 'Stream', 'delete Upstream'] as const) {
    if (phase === 'Stream') adoptStreams(draft, work)
    for (const [key, change] of work) {
      if (isOneByOne(change) && phaseOf(change) === phase) {
        draft.hold(key, adoptOne(draft, key, change))
      }
    }
  }
  const after = draft.finish()
  return {
    table: after,
    quarantined: quarantinedIn(after),
    upstreamsChanged: draft.upstreamsChanged,
    upstreamsWatched: draft.upstreamsWatched,
  }
}

type Phase = 'Plan' | 'put Upstream' | 'Api' | 'Stream' | 'delete Upstream'

function phaseOf(change: RoutingChange): Phase {
  const kind = change.op === 'put' ? change.definition.kind : change.kind
  return kind === 'Upstream' ? `${change.op} Upstream` : kind
}

type PlanDefinition = Extract<Definition, { kind: 'Plan' }>

/** Streams are carried out together. */
type OneByOne =
  | { readonly op: 'put'; readonly definition: ApiDefinition | UpstreamDefinition | PlanDefinition }
  | { readonly op: 'delete'; readonly kind: 'Api' | 'Upstream' | 'Plan'; readonly name: string }

function isOneByOne(change: RoutingChange): change is OneByOne {
  return phaseOf(change) !== 'Stream'
}

/** Carries out one change, or returns why not. */
function adoptOne(draft: TableDraft, key: string, change: OneByOne): Pending | null {
  const { table } = draft
  if (change.op === 'delete') {
    if (change.kind === 'Api') {
      draft.replaceApi(change.name, null)
      return null
    }
    if (change.kind === 'Plan') {
      draft.replacePlan(change.name, null)
      return null
    }
    const [user] = usersOf(table, change.name).map((name) => `Api "${name}"`)
    const [stream] = streamsUsing(table, change.name).map(({ name }) => `Stream "${name}"`)
    const needing = user ?? stream
    if (needing !== undefined) {
      const reason = `cannot be deleted yet: ${needing} still needs it`
      return { key, change, reason, waitsForOthers: true }
    }
    draft.replaceUpstream(key, null)
    return null
  }
  const { definition } = change
  if (definition.kind === 'Plan') {
    draft.replacePlan(definition.name, definition.spec)
    return null
  }
  if (definition.kind === 'Upstream') {
    draft.replaceUpstream(key, compileNamedUpstream(definition, table))
    return null
  }
  const { api, issues } = compileApi(definition, apiOf(table, definition.name))
  const missing = [...missingUpstreams(table, api), ...unfitUpstreams(table, api)]
  if (issues.length + missing.length === 0) {
    draft.replaceApi(definition.name, api)
    return null
  }
  const all = [...issues, ...missing].map(({ path, message }) => `${path}: ${message}`)
  const reason = all.join('; ').slice(0, QUARANTINE_REASON_CHARS_MAX)
  return { key, change, reason, waitsForOthers: issues.length === 0 }
}

function quarantinedIn(table: RoutingTable): readonly Quarantined[] {
  return pendingOf(table).map(({ change, reason }) => {
    const { kind, name } = change.op === 'put' ? change.definition : change
    return { kind, name, reason }
  })
}
