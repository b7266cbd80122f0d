// The acceptance test of the consensus core: etcd's own transcripts, reproduced line by line. The folder holds
// `interaction/` (scripted clusters), `confchange/` and `quorum/` (tables); it is not part of the project.
// RAFT_TRACES_DIR names another folder; RAFT_TRACES_STRICT=0 leaves log lines out of the comparison.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { TraceCluster } from './trace-cluster.ts'
import { parseTrace, type TraceCase } from './trace-file.ts'
import { ConfChangeTable, runQuorum } from './trace-tables.ts'

const TRACES_DIR =
  process.env['RAFT_TRACES_DIR'] ?? resolve(import.meta.dirname, '../../../../shared/raft-traces')
const IS_STRICT = process.env['RAFT_TRACES_STRICT'] !== '0'

type Runner = (trace: TraceCase) => string

function traceFiles(directory: string): string[] {
  if (!existsSync(directory)) return []
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.txt'))
    .toSorted()
}

/** Tables are known by their folder or, in a folder of another name, by their first command. */
function runnerOf(path: string, cases: readonly TraceCase[]): Runner {
  const folder = basename(dirname(path))
  const command = cases[0]?.command ?? ''
  if (folder === 'confchange' || ['simple', 'enter-joint', 'leave-joint'].includes(command)) {
    const table = new ConfChangeTable()
    return (trace) => table.run(trace)
  }
  if (folder === 'quorum' || ['committed', 'vote'].includes(command)) return runQuorum
  const cluster = new TraceCluster()
  return (trace) => cluster.run(trace)
}

function comparable(output: string): string {
  const lines = output.trimEnd().split('\n')
  if (IS_STRICT) return lines.join('\n')
  const kept = lines.filter((line) => !/^\s*(?:DEBUG|INFO|WARN|ERROR|FATAL) /.test(line))
  return kept.length === 0 ? 'ok' : kept.join('\n')
}

const files = traceFiles(TRACES_DIR)

describe('etcd transcripts', () => {
  // Without the folder nothing is compared, and this name says so in the report.
  test.skipIf(files.length === 0)('the folder of transcripts is here to compare with', () => {
    expect(files.length).toBeGreaterThan(0)
  })
  for (const file of files) {
    test(`reproduces ${file}`, () => {
      const path = join(TRACES_DIR, file)
      const cases = parseTrace(readFileSync(path, 'utf8'))
      const run = runnerOf(path, cases)
      for (const trace of cases) {
        expect(comparable(run(trace)), `${file}:${trace.line} ${trace.command}`).toBe(
          comparable(trace.expected),
        )
      }
    })
  }
})
