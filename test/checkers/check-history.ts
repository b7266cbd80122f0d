// node test/checkers/check-history.ts FILE
//
// Judges a history that a test wrote with `--history FILE` (one event a line, see history.ts): whether reads and guarded
// writes are linearizable, and what acknowledged revisions owe each other. Prints one line a fault. Exit codes: 0 nothing
// is wrong, 1 something is, 2 the file cannot be read, 3 the search was given up without an answer.
import { readFileSync } from 'node:fs'
import { callsOf, parseHistory, type Operation } from './history.ts'
import { checkLinearizability } from './linearizability.ts'
import { checkRevisions } from './revisions.ts'

const [file, ...others] = process.argv.slice(2)
if (file === undefined || others.length > 0) {
  console.error('usage: node test/checkers/check-history.ts FILE')
  process.exitCode = 2
} else {
  process.exitCode = check(file)
}

function check(path: string): number {
  let history: Operation[]
  try {
    history = parseHistory(readFileSync(path, 'utf8'))
    callsOf(history)
  } catch (error) {
    console.error(`${path}: ${error instanceof Error ? error.message : String(error)}`)
    return 2
  }
  const problems = checkRevisions(history, null)
  const verdict = checkLinearizability(history)
  if (verdict.verdict === 'violation') problems.push(`key ${verdict.key}: ${verdict.detail}`)
  for (const problem of problems) console.log(problem)
  if (problems.length > 0) return 1
  if (verdict.verdict === 'unknown') {
    console.log(`key ${verdict.key}: ${verdict.detail}`)
    return 3
  }
  const calls = callsOf(history)
  const unknown = calls.filter(({ outcome }) => outcome === 'info').length
  const keys = new Set(calls.map(({ key }) => key)).size
  console.log(
    `${calls.length} calls on ${keys} keys (${unknown} of unknown outcome): nothing is wrong`,
  )
  return 0
}
