// Goal: while nobody can be told, what was used is kept, and does not grow with time. Method: a node that does not listen.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ControlAccess } from '../../../gateway/config/control-access.ts'
import { UsageFile } from '../../../gateway/quotas/usage-file.ts'
import { UsageReporter } from '../../../gateway/quotas/usage-reporter.ts'
import { SILENT } from '../../../shared/logger.ts'
import type { UsageReport } from '../../../shared/usage-protocol.ts'
import { deadUrl } from '../support/target.ts'
import { until } from '../support/until.ts'

let dir: string

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'raftway-usage-'))
})

afterEach(() => rm(dir, { recursive: true, force: true }))

test('what cannot be told is kept as few reports, however often it is tried', async () => {
  const path = join(dir, 'usage.pending')
  const parts = { name: 'gw', dataDir: dir, token: null, ca: null, logger: SILENT }
  const access = new ControlAccess(parts)
  const file = new UsageFile(path, SILENT)
  const reporter = new UsageReporter({ name: 'gw', access: () => access, file, logger: SILENT })
  await reporter.open()
  reporter.follow(await deadUrl())
  const worker = { learnUsage: () => {} }
  const kept = (): Promise<readonly UsageReport[]> => new UsageFile(path, SILENT).read()
  const usedIn = (reports: readonly UsageReport[]): number =>
    reports.flatMap(({ counts }) => counts).reduce((sum, { used }) => sum + used, 0)
  const count = { consumer: 'ada', quota: 'calls', used: 1, startMs: 0, periodMs: 1_000 }
  for (let batch = 1; batch <= 4; batch++) {
    reporter.add(worker, batch, [count])
    await until('it is kept', async () => (usedIn(await kept()) === batch ? true : null))
  }
  await reporter.close(10)
  const reports = await kept()
  expect(usedIn(reports)).toBe(4)
  expect(reports.map(({ sequence }) => sequence)).toEqual([1, 2])
  access.close()
})
