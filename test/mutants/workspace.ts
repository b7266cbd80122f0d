import { execFile, spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { Mutant } from './mutant.ts'

const exec = promisify(execFile)

/** What a run of test files came to. */
export type Outcome =
  | { readonly type: 'passed'; readonly files: ReadonlySet<string> }
  /** A test noticed. */
  | { readonly type: 'failed'; readonly test: string }
  /** The run failed, and no test said so: nothing is proven. */
  | { readonly type: 'broken'; readonly why: string }

/** What the code would throw if a mutant were nonsense instead of wrong. */
const NONSENSE = /^(SyntaxError|ReferenceError|TypeError: .* is not (a function|iterable))/

type Report = {
  readonly success: boolean
  readonly testResults: readonly {
    readonly name: string
    readonly message: string
    readonly assertionResults: readonly {
      readonly fullName: string
      readonly status: string
      readonly failureMessages: readonly string[]
    }[]
  }[]
}

/** A copy of the tree that may be spoilt, beside the installed packages. */
export class Workspace {
  readonly path: string

  private constructor(path: string) {
    this.path = path
  }

  /** Copies every file that git knows or would take. */
  static async make(root: string): Promise<Workspace> {
    const path = await mkdtemp(join(tmpdir(), 'raftway-mutant-'))
    const listing = ['ls-files', '-co', '--exclude-standard']
    const { stdout } = await exec('git', listing, { cwd: root, maxBuffer: 64 * 1024 * 1024 })
    for (const file of new Set(stdout.split('\n').filter((name) => name !== ''))) {
      const to = join(path, file)
      await mkdir(dirname(to), { recursive: true })
      // A file that was deleted and not committed yet is listed all the same.
      await cp(join(root, file), to).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error
      })
    }
    await symlink(join(root, 'node_modules'), join(path, 'node_modules'))
    return new Workspace(path)
  }

  /** Puts the mutant in; resolves with the way to take it out again. */
  async infect({ file, text, replacement }: Mutant): Promise<() => Promise<void>> {
    const path = join(this.path, file)
    const original = await readFile(path, 'utf8')
    // As a function: a replacement may hold `$`.
    await writeFile(
      path,
      original.replace(text, () => replacement),
    )
    return () => writeFile(path, original)
  }

  /** Runs test files until the first failure, within a time limit. */
  async test(files: readonly string[], limitMs: number): Promise<Outcome> {
    const output = join(this.path, 'mutants-report.json')
    await rm(output, { force: true })
    const reporting = ['--reporter=json', `--outputFile=${output}`, '--bail=1', '--no-color']
    const options = ['run', '--project', 'fast', ...reporting, ...files]
    const vitest = join(this.path, 'node_modules', 'vitest', 'vitest.mjs')
    const end = await run(process.execPath, [vitest, ...options], { cwd: this.path, limitMs })
    if (end === null) return { type: 'broken', why: `no end within ${limitMs} ms` }
    const text = await readFile(output, 'utf8').catch(() => null)
    if (text === null) return { type: 'broken', why: `no report: ${end.slice(-500)}` }
    return judge(JSON.parse(text) as Report, this.path)
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true })
  }
}

function judge({ success, testResults }: Report, root: string): Outcome {
  const files = new Set<string>()
  for (const { name, assertionResults } of testResults) {
    const file = name.replace(`${root}/`, '')
    for (const { fullName, status, failureMessages } of assertionResults) {
      if (status === 'passed') files.add(file)
      if (status !== 'failed') continue
      const message = failureMessages.join('\n')
      if (NONSENSE.test(message)) return { type: 'broken', why: `${fullName}: ${message}` }
      return { type: 'failed', test: `${file} › ${fullName}` }
    }
  }
  if (success) return { type: 'passed', files }
  const said = testResults.map(({ message }) => message).filter((message) => message !== '')
  return { type: 'broken', why: said.join('\n') || 'the run failed, and no test did' }
}

/** What the program printed, or null when it had to be stopped. */
function run(
  program: string,
  args: readonly string[],
  { cwd, limitMs }: { readonly cwd: string; readonly limitMs: number },
): Promise<string | null> {
  return new Promise((resolve, reject) => {
    // A group of its own, so that its workers end with it.
    const child = spawn(program, args, { cwd, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    }, limitMs)
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (data: Buffer) => {
        output = `${output}${data.toString()}`.slice(-10_000)
      })
    }
    child.once('error', reject)
    child.once('close', () => {
      clearTimeout(timer)
      resolve(isLate ? null : output)
    })
  })
}
