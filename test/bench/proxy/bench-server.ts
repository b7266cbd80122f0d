// A server under load: one process on one core, and what it has used of the processor.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, until } from '../../processes/processes.ts'
import { answersOk, cpuUsOf } from '../gateway/observed.ts'

/** Reading 100,000 routes takes some of the peers a while. */
const START_MS_MAX = 60_000

/** Ports and directory of a server that is about to start. */
export type Place = {
  readonly dir: string
  readonly port: number
  /** For TLS, where the server speaks it. */
  readonly tlsPort: number
}

/** One process, with what it has used of the processor. */
export class BenchServer {
  readonly name: string
  readonly port: number
  readonly tlsPort: number
  readonly #child: ChildProcess
  readonly #dir: string

  private constructor(name: string, child: ChildProcess, place: Place) {
    this.name = name
    this.port = place.port
    this.tlsPort = place.tlsPort
    this.#child = child
    this.#dir = place.dir
  }

  /** Processor time that it has used, in microseconds. */
  cpuUs(): number {
    return cpuUsOf(this.#child.pid ?? 0)
  }

  async close(): Promise<void> {
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    await ended
    await rm(this.#dir, { recursive: true })
  }

  /** Starts a program on a core, until it answers `path`; `prepare` writes what it needs and gives its arguments. */
  static async start(
    name: string,
    core: 0 | 1,
    path: string,
    prepare: (place: Place) => Promise<readonly string[]> | readonly string[],
  ): Promise<BenchServer> {
    const dir = await mkdtemp(join(tmpdir(), 'raftway-bench-'))
    const place = { dir, port: await freePort(), tlsPort: await freePort() }
    const command = await prepare(place)
    const child = spawn('taskset', ['-c', String(core), ...command], {
      stdio: ['ignore', 'ignore', 'inherit'],
      cwd: dir,
      env: { ...process.env, HOME: dir, XDG_CONFIG_HOME: dir, XDG_DATA_HOME: dir },
    })
    const server = new BenchServer(name, child, place)
    const url = `http://127.0.0.1:${place.port}${path}`
    const serves = async () => (child.exitCode === null ? await answersOk(url) : true) || null
    try {
      await until(`${name} serves`, serves, START_MS_MAX)
      if (child.exitCode !== null) throw new Error(`${name} has ended with ${child.exitCode}`)
      return server
    } catch (error) {
      if (child.exitCode === null) child.kill('SIGKILL')
      throw error
    }
  }
}
