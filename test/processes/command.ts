import { spawn, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

/** The checkout. */
export const ROOT = join(import.meta.dirname, '../..')
export const LAUNCHER = join(ROOT, 'bin/raftway.js')

/** A process under test, with all that it wrote. Its end is `ended`. */
export class Command {
  readonly process: ChildProcess
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
  out = ''
  said = ''

  /** Begins a process group of its own, as a line typed at a terminal does. */
  constructor(
    file: string,
    args: readonly string[],
    cwd: string,
    env: NodeJS.ProcessEnv = process.env,
  ) {
    const stdio = ['ignore', 'pipe', 'pipe'] as const
    this.process = spawn(file, args, { cwd, env, stdio: [...stdio], detached: true })
    this.process.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.out += text
    })
    this.process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.said += text
    })
    this.ended = new Promise((resolve, reject) => {
      this.process.once('error', reject)
      this.process.once('close', (code, signal) => resolve({ code, signal }))
    })
  }

  get pid(): number {
    return this.process.pid ?? 0
  }

  /** Signals the whole group, as Ctrl-C does. */
  signalGroup(signal: NodeJS.Signals): void {
    process.kill(-this.pid, signal)
  }

  get text(): string {
    return `${this.out}\n${this.said}`
  }

  /** Waits for text in what it writes; fails with all of it when it ends before, or after a minute. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    let hasEnded = false
    const onEnd = (): void => {
      hasEnded = true
    }
    void this.ended.then(onEnd, onEnd)
    return until(
      () => {
        const found = pattern.exec(this.out) ?? pattern.exec(this.said)
        if (found === null && hasEnded)
          throw new Error(`it ended without ${pattern}:\n${this.text}`)
        return found
      },
      () => `${pattern} in:\n${this.text}`,
    )
  }
}

/** Runs a line in a shell, as if it was pasted there, to its end. */
export async function paste(
  line: string,
  cwd: string,
): Promise<Command & { readonly code: number | null }> {
  const command = new Command('bash', ['-c', line], cwd)
  const { code } = await command.ended
  return Object.assign(command, { code })
}

/** Pastes a line that must work, and gives what it printed. */
export async function pasteWell(line: string, cwd: string): Promise<string> {
  const { code, out, text } = await paste(line, cwd)
  if (code !== 0) throw new Error(`exit ${code} from: ${line}\n${text}`)
  return out
}

/** Polls until `check` gives something but null and false. Fails after a minute. */
export async function until<T>(
  check: () => T | null | false | Promise<T | null | false>,
  what: () => string,
): Promise<T> {
  const deadline = performance.now() + 60_000
  for (;;) {
    const found = await check()
    if (found !== null && found !== false) return found
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what()}`)
    await pause(25)
  }
}

/** Whether no such process runs. One that has ended and waits to be reaped runs no more. */
export function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch {
    return true
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z')
  } catch {
    return process.platform === 'linux'
  }
}
