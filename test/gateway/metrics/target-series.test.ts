import { expect, test } from 'vitest'
import { TARGET_SERIES_MAX } from '../../../shared/limits.ts'
import { targetSeries } from '../../../gateway/metrics/target-series.ts'
import {
  mergeReports,
  type TargetReport,
  type UpstreamReport,
} from '../../../gateway/upstream/report.ts'

function target(url: string, more: Partial<TargetReport> = {}): TargetReport {
  return {
    url,
    weight: 1,
    state: 'up',
    workersUp: 1,
    inFlight: 1,
    requests: 10,
    failures: 2,
    ejectedForMs: 0,
    lastCheck: null,
    ...more,
  }
}

function upstream(name: string, ...targets: readonly TargetReport[]): UpstreamReport {
  return {
    upstream: name,
    panic: false,
    breaker: null,
    mirrorsDropped: 0,
    discovery: null,
    targets,
  }
}

test('series beyond the bound are added up in one', () => {
  const many = Array.from({ length: TARGET_SERIES_MAX + 7 }, (_, i) => target(`http://h:${i}`))
  const lines = targetSeries([upstream('Upstream/many', ...many)]).split('\n')
  const requests = lines.filter((line) => line.startsWith('raftway_gateway_target_requests_total{'))
  expect(requests).toHaveLength(TARGET_SERIES_MAX + 1)
  expect(requests.at(-1)).toBe(
    'raftway_gateway_target_requests_total{upstream="other",target="other"} 70',
  )
})

test('breakers have a series where there is one', () => {
  const text = targetSeries([{ ...upstream('Api/a'), breaker: 'open' }, upstream('Api/b')])
  expect(text).toContain('raftway_gateway_upstream_breaker{upstream="Api/a"} 2\n')
  expect(text).not.toContain('Api/b')
})

test('the reports of workers become one: counts added up, and the worst of each state', () => {
  const a = { ...upstream('Api/a', target('http://x')), breaker: 'half-open' as const }
  const lastCheck = { agoMs: 5, failure: 'ECONNREFUSED' }
  const down = target('http://x', { state: 'down', workersUp: 0, lastCheck })
  const b = { ...upstream('Api/a', down, target('http://y')), panic: true }
  expect(mergeReports([[a], [b, upstream('Api/0')]])).toEqual([
    upstream('Api/0'),
    {
      upstream: 'Api/a',
      panic: true,
      breaker: 'half-open',
      mirrorsDropped: 0,
      discovery: null,
      targets: [
        { ...down, workersUp: 1, inFlight: 2, requests: 20, failures: 4 },
        target('http://y'),
      ],
    },
  ])
})
