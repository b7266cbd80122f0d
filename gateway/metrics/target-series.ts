import { TARGET_SERIES_MAX } from '../../shared/limits.ts'
import { rankOf, type TargetReport, type UpstreamReport } from '../upstream/report.ts'

type Series = { readonly labels: string; readonly target: TargetReport }

const FAMILIES: readonly {
  readonly name: string
  readonly type: 'counter' | 'gauge'
  readonly help: string
  readonly member: 'requests' | 'failures' | 'inFlight' | 'workersUp'
}[] = [
  {
    name: 'target_requests_total',
    type: 'counter',
    help: 'Attempts that went to a target.',
    member: 'requests',
  },
  {
    name: 'target_failures_total',
    type: 'counter',
    help: 'Attempts that a target failed: no answer, or 5xx.',
    member: 'failures',
  },
  {
    name: 'target_in_flight',
    type: 'gauge',
    help: 'Calls to a target under way.',
    member: 'inFlight',
  },
  {
    name: 'target_workers_up',
    type: 'gauge',
    help: 'Workers in which a target takes requests.',
    member: 'workersUp',
  },
]

/**
 * Prometheus text of targets. Series are bounded: those beyond TARGET_SERIES_MAX are added up in one whose labels say
 * `other`.
 */
export function targetSeries(upstreams: readonly UpstreamReport[]): string {
  const all = upstreams.flatMap(({ upstream, targets }) =>
    targets.map((target): Series => ({ labels: labelsOf(upstream, target.url), target })),
  )
  const shown = all.slice(0, TARGET_SERIES_MAX)
  const rest = all.slice(TARGET_SERIES_MAX)
  const lines: string[] = []
  for (const { name, type, help, member } of FAMILIES) {
    lines.push(`# HELP raftway_gateway_${name} ${help}`, `# TYPE raftway_gateway_${name} ${type}`)
    for (const { labels, target } of shown) {
      lines.push(`raftway_gateway_${name}{${labels}} ${target[member]}`)
    }
    if (rest.length === 0) continue
    const sum = rest.reduce((total, { target }) => total + target[member], 0)
    lines.push(`raftway_gateway_${name}{${labelsOf('other', 'other')}} ${sum}`)
  }
  breakerSeries(upstreams, lines)
  mirrorSeries(upstreams, lines)
  return `${lines.join('\n')}\n`
}

/** One series for each upstream that has a breaker: 0 closed, 1 half open, 2 open. */
function breakerSeries(upstreams: readonly UpstreamReport[], lines: string[]): void {
  const name = 'raftway_gateway_upstream_breaker'
  lines.push(`# HELP ${name} 0 closed, 1 half open, 2 open; the worst of all workers.`)
  lines.push(`# TYPE ${name} gauge`)
  for (const { upstream, breaker } of upstreams.slice(0, TARGET_SERIES_MAX)) {
    if (breaker !== null) lines.push(`${name}{upstream="${upstream}"} ${rankOf(breaker)}`)
  }
}

function mirrorSeries(upstreams: readonly UpstreamReport[], lines: string[]): void {
  const name = 'raftway_gateway_mirrors_dropped_total'
  lines.push(`# HELP ${name} Copies of requests that were given up or never made.`)
  lines.push(`# TYPE ${name} counter`)
  for (const { upstream, mirrorsDropped } of upstreams.slice(0, TARGET_SERIES_MAX)) {
    if (mirrorsDropped > 0) lines.push(`${name}{upstream="${upstream}"} ${mirrorsDropped}`)
  }
}

/** Keys and origins hold nothing that would need escaping. */
function labelsOf(upstream: string, target: string): string {
  return `upstream="${upstream}",target="${target}"`
}
