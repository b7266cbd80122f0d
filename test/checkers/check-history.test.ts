import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Random } from '../../shared/random.ts'
import { formatOperation, type Operation } from './history.ts'
import { playRegister } from './random-register.ts'

let directory = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'raftway-history-'))
})
afterEach(() => rm(directory, { recursive: true }))

async function judge(text: string): Promise<{ readonly code: number; readonly output: string }> {
  const file = join(directory, 'history.jsonl')
  await writeFile(file, text)
  const script = join(import.meta.dirname, 'check-history.ts')
  return new Promise((resolve) => {
    execFile(process.execPath, [script, file], (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), output: stdout + stderr }),
    )
  })
}

const textOf = (history: readonly Operation[]) => history.map(formatOperation).join('\n')
const played = playRegister({
  random: new Random(7),
  keys: 2,
  processes: 4,
  calls: 200,
  unknownIn: 10,
})

test('a good history passes, with its size', async () => {
  const { code, output } = await judge(textOf(played))
  expect(output).toMatch(/^200 calls on 2 keys \(\d+ of unknown outcome\): nothing is wrong\n$/)
  expect(code).toBe(0)
})

test('a bad history fails and says where', async () => {
  const reads = played.flatMap(({ op, type, value }, at) =>
    op === 'get' && type === 'ok' && value !== null ? [at] : [],
  )
  const last = reads.at(-1)!
  const first = played[reads.find((at) => played[at]!.key === played[last]!.key)!]!
  const stale = { ...played[last]!, value: first.value, revision: first.revision }
  const { code, output } = await judge(textOf(played.with(last, stale)))
  expect(output).toMatch(/^key k\d: .* against: /)
  expect(code).toBe(1)
})

test('a file that is no history is told from a bad history', async () => {
  const { code, output } = await judge('{"process":1}\n')
  expect(output).toMatch(/line 1 of the history/)
  expect(code).toBe(2)
})
