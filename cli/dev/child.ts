import { spawn, type ChildProcess } from 'node:child_process'
import { open, readFile } from 'node:fs/promises'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The program itself, compiled or not, beside which this file lies. */
const MAIN = fileURLToPath(new URL(`../main${extname(import.meta.url)}`, import.meta.url))

/** How much of a log shows why a process did not start. */
const TAIL_LINES = 15

/** How a process ended, in words. */
export type Ending = string

/**
 * A `raftway` process that this one started. It has its own process group, so that Ctrl-C reaches only this process,
 * which then stops the others in order; and a channel, by which it notices that this process is gone.
 */
export class DevChild {
  readonly name: string
  /** The command line, without the program: `server start --name n1 …`. */
  readonly args: readonly string[]
  readonly logFile: string
  /** Resolves when the process has ended. */
  readonly ended: Promise<Ending>
  readonly #process: ChildProcess
  #isRunning = true

  private constructor(
    start: { readonly name: string; readonly args: readonly string[]; readonly logFile: string },
    child: ChildProcess,
  ) {
    this.name = start.name
    this.args = start.args
    this.logFile = start.logFile
    this.#process = child
    this.ended = new Promise((resolve) => {
      const end = (ending: Ending): void => {
        this.#isRunning = false
        resolve(ending)
      }
      child.once('error', (error) => end(`could not be started: ${error.message}`))
      child.once('exit', (code, signal) =>
        end(signal === null ? `ended with exit code ${code}` : `was killed by ${signal}`),
      )
    })
  }

  /** Starts `raftway ARGS`, with its output appended to `logFile`. */
  static async start(start: {
    readonly name: string
    readonly args: readonly string[]
    readonly logFile: string
  }): Promise<DevChild> {
    const log = await open(start.logFile, 'a')
    try {
      const child = spawn(process.execPath, [MAIN, ...start.args], {
        // Results, such as a node's first token, are for a person who asked for them, and not for a log file.
        stdio: ['ignore', 'ignore', log.fd, 'ipc'],
        detached: true,
        env: childEnvironment(),
      })
      return new DevChild(start, child)
    } finally {
      await log.close()
    }
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  get isRunning(): boolean {
    return this.#isRunning
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#isRunning) this.#process.kill(signal)
  }

  /** The last lines of its log. */
  async logTail(): Promise<string> {
    const text = await readFile(this.logFile, 'utf8').catch(() => '')
    return text.trimEnd().split('\n').slice(-TAIL_LINES).join('\n')
  }
}

/** This environment without RAFTWAY_ options, which were meant for `raftway dev`. */
function childEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('RAFTWAY_'))
  return { ...Object.fromEntries(kept), RAFTWAY_PARENT: 'ipc' }
}
