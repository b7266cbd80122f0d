import { expect, test } from 'vitest'
import { TARGETS_SHOWN_MAX } from '../../../shared/limits.ts'
import { Random } from '../../../shared/random.ts'
import { compileUpstream } from '../../../shared/routing/compile-upstream.ts'
import { LiveUpstreams } from '../../../gateway/upstream/live-upstreams.ts'
import { reportUpstreams } from '../../../gateway/upstream/report.ts'

test('a worker with very many targets tells of as many as it may, and adds the rest up', () => {
  const upstreams = new LiveUpstreams(
    {
      open: () => ({
        call: () => {
          throw new Error('nobody calls here')
        },
        release: () => {},
      }),
      close: async () => {},
    },
    {
      random: new Random(1),
      now: () => 0,
      watchTargets: () => () => {},
      discover: () => {
        throw new Error('nothing is discovered here')
      },
    },
  )
  const urls = Array.from({ length: 900 }, (_, i) => ({ url: `http://10.0.${i >> 8}.${i & 255}` }))
  for (const name of ['a', 'b', 'c', 'd']) {
    const live = upstreams.acquire(compileUpstream(`Upstream/${name}`, { targets: urls }))
    for (const { state } of live.targets) {
      state.requests = 2
      state.failures = 1
    }
  }
  const reports = reportUpstreams(upstreams.all(), 0)
  expect(reports.map(({ upstream }) => upstream)).toEqual(['Upstream/a', 'Upstream/b', 'other'])
  expect(reports.flatMap(({ targets }) => targets).length).toBeLessThanOrEqual(
    TARGETS_SHOWN_MAX + 1,
  )
  expect(reports.at(-1)?.targets).toMatchObject([
    { url: 'other', requests: 3_600, failures: 1_800 },
  ])
})
