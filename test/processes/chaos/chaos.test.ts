// Goal: whatever happens to nodes, links, clocks and disks, nothing acknowledged is lost or reordered, reads are
// linearizable, watches have no gap, and the cluster heals by itself. Method: real nodes behind relays, clients and
// watchers that write down what they are told, one nemesis after another by a seed; then the checkers of test/checkers.
//
// RAFTWAY_CHAOS_SEED repeats a schedule (not its timing). RAFTWAY_CHAOS_HISTORY names a directory for the histories,
// one file a test, which `node test/checkers/check-history.ts FILE` and others read.
import { randomInt } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { faketimeLibrary } from './fake-clock.ts'
import { CLOCK_NEMESES, diskNemeses, LONG_NEMESES, NEMESES, type Nemesis } from './nemeses.ts'
import { runChaos, type ChaosOptions, type ChaosReport } from './run.ts'
import { maySmallDisks, SmallDisk } from './small-disk.ts'

const TIMEOUT_MS = 180_000
const SEED = Number(process.env['RAFTWAY_CHAOS_SEED'] ?? randomInt(2 ** 31))
const HISTORIES = process.env['RAFTWAY_CHAOS_HISTORY']
/** Enough was going on for the verdict to mean something. */
const FINE = { problems: [], acknowledged: expect.toSatisfy((count: number) => count > 50) }
const canMount = await maySmallDisks()

beforeAll(() => {
  if (HISTORIES !== undefined) mkdirSync(HISTORIES, { recursive: true })
})

const disks: SmallDisk[] = []

afterEach(async () => {
  for (const disk of disks.splice(0)) await disk.unmount()
})

async function endure(
  name: string,
  nodes: number,
  seconds: number,
  nemeses: Readonly<Record<string, Nemesis>>,
  more: Pick<ChaosOptions, 'dataDirs' | 'args'> = {},
): Promise<ChaosReport> {
  const said: string[] = [`seed ${SEED}`]
  const historyFile = HISTORIES === undefined ? undefined : join(HISTORIES, `${name}.jsonl`)
  const options = { ...more, nodes, seed: SEED, forMs: seconds * 1_000, nemeses, historyFile }
  const report = await runChaos({ ...options, say: (line) => said.push(line) }).catch(
    (cause: unknown) => {
      throw new Error(`${said.join('\n')}\n${String(cause)}`, { cause })
    },
  )
  if (report.problems.length === 0) return report
  throw new Error([...said, ...report.problems].join('\n'))
}

test(
  'three nodes through everything that can happen to processes and links',
  { timeout: TIMEOUT_MS },
  async () => {
    expect(await endure('three', 3, 30, NEMESES)).toMatchObject(FINE)
  },
)

test(
  'five nodes through everything that can happen to processes and links',
  { timeout: TIMEOUT_MS },
  async () => {
    expect(await endure('five', 5, 30, NEMESES)).toMatchObject(FINE)
  },
)

test('every node is restarted in turn while clients write', { timeout: TIMEOUT_MS }, async () => {
  const report = await endure('roll', 3, 1, { roll: LONG_NEMESES.roll })
  expect(report).toMatchObject(FINE)
  expect([...report.gapsMs.keys()]).toContain('roll of the leader')
})

test(
  'a torn tail is cut off; who has a flipped bit, lost a tail or the whole disk is replaced',
  { timeout: TIMEOUT_MS },
  async () => {
    const inTurn: Nemesis = async (field) => {
      await LONG_NEMESES['tear-log'](field)
      await LONG_NEMESES['flip-bit'](field)
      await LONG_NEMESES['flip-bit-by-hand'](field)
      await LONG_NEMESES['lose-tail'](field)
      await LONG_NEMESES.wipe(field)
    }
    expect(await endure('damage', 3, 1, { damage: inTurn })).toMatchObject(FINE)
  },
)

test.skipIf(faketimeLibrary() === null)(
  'wall clocks that jump by hours (needs libfaketime)',
  { timeout: TIMEOUT_MS },
  async () => {
    const nemeses = { ...CLOCK_NEMESES, 'kill-leader': NEMESES['kill-leader'] }
    expect(await endure('clocks', 3, 12, nemeses)).toMatchObject(FINE)
  },
)

test.skipIf(!canMount)(
  'a disk that is full for a while (needs root)',
  { timeout: TIMEOUT_MS },
  async () => {
    const disk = await SmallDisk.mount(join(tmpdir(), `raftway-small-${process.pid}`), 48)
    disks.push(disk)
    const report = await endure('full-disk', 3, 8, diskNemeses(disk, 'n1'), {
      dataDirs: { n1: disk.path },
      args: ['--disk-reserve', '8MiB'],
    })
    expect(report).toMatchObject(FINE)
  },
)
