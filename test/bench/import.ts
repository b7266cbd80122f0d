// How long `raftway consumer import` takes for many consumers with a key each: the real command against three real nodes,
// all on this machine. Then the same file again, of which nothing differs. BENCH_CONSUMERS makes it shorter.
import { execFile } from 'node:child_process'
import { hash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Fleet } from '../processes/processes.ts'
import { printFigure } from './figures.ts'

const CONSUMERS = Number(process.env['BENCH_CONSUMERS'] ?? 100_000)
const LAUNCHER = join(import.meta.dirname, '../../bin/raftway.js')

/** Prints how long an import takes, and how long one that changes nothing. */
export async function run(): Promise<void> {
  const fleet = await Fleet.open()
  try {
    await fleet.form(3)
    const file = join(fleet.dir, 'consumers.csv')
    const rows = Array.from(
      { length: CONSUMERS },
      (_, at) => `consumer-${at},gold;default,team-${at % 100},${hash('sha256', String(at))}`,
    )
    await writeFile(file, `name,plans,label.team,key\n${rows.join('\n')}\n`)
    for (const what of ['import', 'the same again']) {
      const startMs = performance.now()
      const report = await importFile(file, fleet.nodes.map((node) => node.url).join())
      const seconds = (performance.now() - startMs) / 1_000
      printFigure({
        bench: 'import',
        what,
        consumers: CONSUMERS,
        seconds,
        perSecond: CONSUMERS / seconds,
        created: report.created,
        unchanged: report.unchanged,
      })
    }
  } finally {
    await fleet.close()
  }
}

type Report = { readonly created: number; readonly unchanged: number }

async function importFile(file: string, control: string): Promise<Report> {
  const words = ['consumer', 'import', '-f', file, '--control', control, '-o', 'json']
  const { stdout } = await promisify(execFile)(process.execPath, [LAUNCHER, ...words])
  return JSON.parse(stdout) as Report
}
