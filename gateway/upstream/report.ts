import { TARGETS_SHOWN_MAX } from '../../shared/limits.ts'
import type { Discovery } from '../discovery/discovery.ts'
import type { BreakerState } from './breaker.ts'
import type { LiveUpstream, LiveTarget } from './live-upstreams.ts'
import type { TargetState } from './target-state.ts'

/** `out` has weight 0; `starting` has not its full share yet. */
const TARGET_STANDINGS = ['up', 'starting', 'out', 'ejected', 'down'] as const

type TargetStanding = (typeof TARGET_STANDINGS)[number]

/** One target as a worker sees it; as they all see it, once merged. */
export type TargetReport = {
  readonly url: string
  readonly weight: number
  /** Of several workers, the last in the order of TARGET_STANDINGS. */
  readonly state: TargetStanding
  /** Workers in which it takes requests. */
  readonly workersUp: number
  readonly inFlight: number
  readonly requests: number
  readonly failures: number
  /** Until the last worker takes it in again; 0 when it is not ejected. */
  readonly ejectedForMs: number
  /** The last active check; null where there was none. */
  readonly lastCheck: { readonly agoMs: number; readonly failure: string | null } | null
}

/** How the targets of an upstream are known. */
type DiscoveryReport = {
  /** Since they were last found; null when they never were. */
  readonly foundAgoMs: number | null
  /** Why the last look failed; null when it did not. */
  readonly failure: string | null
}

/** One upstream that is alive. */
export type UpstreamReport = {
  readonly upstream: string
  /** Too few targets are well, so all of them take requests. */
  readonly panic: boolean
  /** Of the breaker: of several workers, the last in the order closed, half-open, open; null without one. */
  readonly breaker: BreakerState | null
  /** Copies of requests that were given up or never made. */
  readonly mirrorsDropped: number
  /** Of the worker that knows least; null where targets are written down. */
  readonly discovery: DiscoveryReport | null
  readonly targets: readonly TargetReport[]
}

/**
 * What a worker knows of the upstreams that live in it. Those beyond TARGETS_SHOWN_MAX targets are added up in one whose
 * name is `other`: a worker with very many must not stop serving to tell of them.
 */
export function reportUpstreams(
  all: Iterable<LiveUpstream>,
  nowMs: number,
): readonly UpstreamReport[] {
  const reports: UpstreamReport[] = []
  let shown = 0
  let rest: TargetReport | null = null
  for (const live of all) {
    shown += live.targets.length
    if (shown <= TARGETS_SHOWN_MAX) reports.push(reportUpstream(live, nowMs))
    else for (const { state } of live.targets) rest = added(rest ?? OTHER, state)
  }
  if (rest === null) return reports
  const unknown = { panic: false, breaker: null, mirrorsDropped: 0, discovery: null }
  return [...reports, { upstream: 'other', ...unknown, targets: [rest] }]
}

const OTHER: TargetReport = {
  url: 'other',
  weight: 0,
  state: 'up',
  workersUp: 1,
  inFlight: 0,
  requests: 0,
  failures: 0,
  ejectedForMs: 0,
  lastCheck: null,
}

function added(sum: TargetReport, { inFlight, requests, failures }: TargetState): TargetReport {
  return {
    ...sum,
    inFlight: sum.inFlight + inFlight,
    requests: sum.requests + requests,
    failures: sum.failures + failures,
  }
}

function reportUpstream(live: LiveUpstream, nowMs: number): UpstreamReport {
  return {
    upstream: live.compiled.key,
    panic: live.selector.isPanic,
    breaker: live.breaker?.stateAt(nowMs) ?? null,
    mirrorsDropped: live.mirroring.dropped,
    discovery: live.discovery === null ? null : reportDiscovery(live.discovery, nowMs),
    targets: live.targets.map((target) => reportTarget(live, target, nowMs)),
  }
}

function reportDiscovery({ standing }: Discovery, nowMs: number): DiscoveryReport {
  const { foundAtMs, failure } = standing
  return { foundAgoMs: foundAtMs === null ? null : Math.round(nowMs - foundAtMs), failure }
}

function worseKnown(a: DiscoveryReport | null, b: DiscoveryReport | null): DiscoveryReport | null {
  if (a === null || b === null) return a ?? b
  const age = (report: DiscoveryReport): number => report.foundAgoMs ?? Number.POSITIVE_INFINITY
  return age(a) > age(b) ? a : b
}

function reportTarget(live: LiveUpstream, target: LiveTarget, nowMs: number): TargetReport {
  const { state } = target
  const standing = standingOf(live, target, nowMs)
  return {
    url: target.target.origin,
    weight: target.fullWeight,
    state: standing,
    workersUp: standing === 'up' || standing === 'starting' ? 1 : 0,
    inFlight: state.inFlight,
    requests: state.requests,
    failures: state.failures,
    ejectedForMs: Math.max(0, Math.round(state.ejectedUntilMs - nowMs)),
    lastCheck:
      state.checkedAtMs === null
        ? null
        : { agoMs: Math.round(nowMs - state.checkedAtMs), failure: state.checkFailure },
  }
}

function standingOf({ selector }: LiveUpstream, target: LiveTarget, nowMs: number): TargetStanding {
  if (target.fullWeight === 0) return 'out'
  if (!target.state.isUp) return 'down'
  if (target.state.ejectedUntilMs > nowMs) return 'ejected'
  return selector.mayChoose(target, nowMs) && target.weight < target.fullWeight ? 'starting' : 'up'
}

/** The reports of all workers as one: counts added up, and of each target the worst that any of them sees. */
export function mergeReports(
  byWorker: readonly (readonly UpstreamReport[])[],
): readonly UpstreamReport[] {
  const merged = new Map<string, UpstreamReport>()
  for (const report of byWorker.flat()) {
    const before = merged.get(report.upstream)
    merged.set(report.upstream, before === undefined ? report : mergeUpstreams(before, report))
  }
  return [...merged.values()].sort((a, b) => (a.upstream < b.upstream ? -1 : 1))
}

/** How many upstreams and targets there are, and how many of them are not well: the short form. */
export function summarize(upstreams: readonly UpstreamReport[]): object {
  const targets = upstreams.flatMap((upstream) => upstream.targets)
  const count = (state: TargetStanding): number =>
    targets.filter((target) => target.state === state).length
  return {
    upstreams: upstreams.length,
    targets: targets.length,
    down: count('down'),
    ejected: count('ejected'),
    panic: upstreams.filter(({ panic }) => panic).length,
    open: upstreams.filter(({ breaker }) => breaker === 'open').length,
  }
}

function mergeUpstreams(a: UpstreamReport, b: UpstreamReport): UpstreamReport {
  const targets = new Map(a.targets.map((target) => [target.url, target]))
  for (const target of b.targets) {
    const before = targets.get(target.url)
    targets.set(target.url, before === undefined ? target : mergeTargets(before, target))
  }
  return {
    upstream: a.upstream,
    panic: a.panic || b.panic,
    breaker: rankOf(a.breaker) > rankOf(b.breaker) ? a.breaker : b.breaker,
    mirrorsDropped: a.mirrorsDropped + b.mirrorsDropped,
    discovery: worseKnown(a.discovery, b.discovery),
    targets: [...targets.values()],
  }
}

/** The order of a breaker's states, from the best; -1 without one. */
export function rankOf(state: BreakerState | null): number {
  return state === null ? -1 : ['closed', 'half-open', 'open'].indexOf(state)
}

function mergeTargets(a: TargetReport, b: TargetReport): TargetReport {
  const rank = (report: TargetReport): number => TARGET_STANDINGS.indexOf(report.state)
  const checks = [a.lastCheck, b.lastCheck].filter((check) => check !== null)
  return {
    url: a.url,
    weight: b.weight,
    state: rank(a) > rank(b) ? a.state : b.state,
    workersUp: a.workersUp + b.workersUp,
    inFlight: a.inFlight + b.inFlight,
    requests: a.requests + b.requests,
    failures: a.failures + b.failures,
    ejectedForMs: Math.max(a.ejectedForMs, b.ejectedForMs),
    lastCheck: checks.toSorted((one, other) => one.agoMs - other.agoMs)[0] ?? null,
  }
}
