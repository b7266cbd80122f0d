// Boxes for tests: namespaces for network, processes and mounts, on one bridge that nothing else is on, each with an
// address, a /var/lib and a `raftway` command of its own, so that what the README tells people to type on three
// machines can be typed as it stands. When the holder of a box ends, everything in the box ends with it.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command, LAUNCHER, until } from './command.ts'

/** No test takes as long: what a killed test leaves behind ends by itself. */
const HOLD_SECONDS = 900

/** A process that keeps namespaces alive. */
class Holder {
  readonly #unshare: ChildProcess
  /** The first process in them. */
  readonly pid: number

  private constructor(unshare: ChildProcess, pid: number) {
    this.#unshare = unshare
    this.pid = pid
  }

  static async start(): Promise<Holder> {
    const spaces = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc']
    const child = spawn('unshare', [...spaces, 'sleep', String(HOLD_SECONDS)], { stdio: 'ignore' })
    await once(child, 'spawn')
    const at = `/proc/${child.pid}/task/${child.pid}/children`
    const pid = await until(
      () => {
        const first = readFileSync(at, 'utf8').trim()
        // Before it is `sleep` it still makes its namespaces.
        const isUp = first !== '' && readFileSync(`/proc/${first}/comm`, 'utf8').trim() === 'sleep'
        return isUp ? Number(first) : null
      },
      () => 'namespaces',
    )
    return new Holder(child, pid)
  }

  /** How to run something inside. */
  enter(args: readonly string[]): readonly string[] {
    return ['-t', String(this.pid), '--net', '--mount', '--pid', ...args]
  }

  async end(): Promise<void> {
    if (this.#unshare.exitCode !== null || this.#unshare.signalCode !== null) return
    const ended = once(this.#unshare, 'exit')
    process.kill(this.pid, 'SIGKILL')
    await ended
  }
}

/** One machine of a test: commands run in it as if it was the only place they know. */
export class Box {
  readonly name: string
  readonly address: string
  /** Where its commands run. */
  readonly dir: string
  readonly #holder: Holder
  /** Variables that lines exported: they hold for the lines after them. */
  readonly #env: NodeJS.ProcessEnv

  constructor(name: string, address: string, parts: { dir: string; holder: Holder; path: string }) {
    this.name = name
    this.address = address
    this.dir = parts.dir
    this.#holder = parts.holder
    this.#env = { ...process.env, PATH: parts.path }
    for (const key of Object.keys(this.#env)) if (key.startsWith('RAFTWAY_')) delete this.#env[key]
  }

  /** Starts lines of a shell, and leaves them to themselves. */
  start(lines: string): Command {
    const args = this.#holder.enter([`--wd=${this.dir}`, 'bash', '-ec', lines])
    return new Command('nsenter', args, this.dir, this.#env)
  }

  /** Runs lines that must work, and gives what they printed on stdout. What they export is kept. */
  async run(lines: string): Promise<string> {
    const command = this.start(lines)
    const { code } = await command.ended
    if (code !== 0) throw new Error(`${this.name}: exit ${code} from:\n${lines}\n${command.text}`)
    for (const [, name = '', value = ''] of lines.matchAll(/^export (\w+)=(.*)$/gm)) {
      this.#env[name] = value
    }
    return command.out
  }

  /** Ends the box and everything in it, as a power failure does but for its disk. */
  async end(): Promise<void> {
    await this.#holder.end()
  }
}

/** Several boxes on one network. */
export class Boxes {
  readonly #dir: string
  readonly #boxes: readonly Box[]
  readonly #bridge: Holder

  private constructor(dir: string, boxes: readonly Box[], bridge: Holder) {
    this.#dir = dir
    this.#boxes = boxes
    this.#bridge = bridge
  }

  /** Whether this machine lets a test make boxes: root, iproute2 and util-linux. */
  static arePossible(): boolean {
    try {
      execFileSync('ip', ['-V'], { stdio: 'ignore' })
      execFileSync('unshare', ['--net', '--mount', '--pid', '--fork', 'true'], { stdio: 'ignore' })
      return true
    } catch {
      return false
    }
  }

  /** Makes boxes with these names: the first has address 10.0.0.1, the second 10.0.0.2, and so on. */
  static async open(names: readonly string[]): Promise<Boxes> {
    const dir = await mkdtemp(join(tmpdir(), 'raftway-boxes-'))
    const bin = join(dir, 'bin')
    await mkdir(bin)
    const script = `#!/bin/sh\nexec '${process.execPath}' '${LAUNCHER}' "$@"\n`
    await writeFile(join(bin, 'raftway'), script, { mode: 0o755 })
    const path = `${bin}:${process.env['PATH'] ?? ''}`
    const bridge = await Holder.start()
    within(bridge, ['ip', 'link', 'add', 'br0', 'type', 'bridge'])
    within(bridge, ['ip', 'link', 'set', 'br0', 'up'])
    const boxes: Box[] = []
    for (const [at, name] of names.entries()) {
      const holder = await Holder.start()
      const address = `10.0.0.${at + 1}`
      connect({ bridge, holder, port: `p${at}`, address })
      const own = join(dir, name)
      await mkdir(join(own, 'var-lib'), { recursive: true })
      within(holder, ['mount', '--bind', join(own, 'var-lib'), '/var/lib'])
      boxes.push(new Box(name, address, { dir: own, holder, path }))
    }
    return new Boxes(dir, boxes, bridge)
  }

  /** The box of a name. */
  box(name: string): Box {
    const found = this.#boxes.find((one) => one.name === name)
    if (found === undefined) throw new Error(`no box is called ${name}`)
    return found
  }

  /** Ends everything in every box, and takes network and folders away. */
  async close(): Promise<void> {
    for (const box of this.#boxes) await box.end()
    await this.#bridge.end()
    await rm(this.#dir, { recursive: true, force: true })
  }
}

function connect(to: {
  readonly bridge: Holder
  readonly holder: Holder
  readonly port: string
  readonly address: string
}): void {
  const { bridge, holder, port, address } = to
  const peer = ['peer', 'name', 'eth0', 'netns', String(holder.pid)]
  // Seen from the bridge's process namespace the other holder has no number: the pair is made from outside of it.
  execFileSync('nsenter', [
    '-t',
    String(bridge.pid),
    '--net',
    'ip',
    'link',
    'add',
    port,
    'type',
    'veth',
    ...peer,
  ])
  within(bridge, ['ip', 'link', 'set', port, 'master', 'br0', 'up'])
  within(holder, ['ip', 'address', 'add', `${address}/24`, 'dev', 'eth0'])
  within(holder, ['ip', 'link', 'set', 'eth0', 'up'])
  within(holder, ['ip', 'link', 'set', 'lo', 'up'])
}

function within(holder: Holder, command: readonly string[]): void {
  execFileSync('nsenter', [...holder.enter(command)], { stdio: ['ignore', 'ignore', 'pipe'] })
}
