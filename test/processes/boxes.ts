// Boxes for tests: network namespaces on one bridge, each with an address, a folder and a `raftway` command of its own,
// so that what the README tells people to type on three machines can be typed as it stands.
import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command, LAUNCHER } from './command.ts'

/** One machine of a test: commands run in it as if it was the only place they know. */
export class Box {
  readonly name: string
  readonly address: string
  /** Where its commands run, and where `/var/lib/…` of the README lies. */
  readonly dir: string
  readonly #namespace: string
  readonly #env: NodeJS.ProcessEnv
  readonly running: Command[] = []

  constructor(parts: {
    readonly name: string
    readonly address: string
    readonly dir: string
    readonly namespace: string
    readonly env: NodeJS.ProcessEnv
  }) {
    this.name = parts.name
    this.address = parts.address
    this.dir = parts.dir
    this.#namespace = parts.namespace
    this.#env = parts.env
  }

  /** Starts lines of a shell; whoever calls waits for their end, or leaves them running until `Boxes.close`. */
  start(lines: string, env: NodeJS.ProcessEnv = {}): Command {
    const here = lines.replaceAll('/var/lib/', `${this.dir}/`)
    const args = ['netns', 'exec', this.#namespace, 'bash', '-ec', here]
    const command = new Command('ip', args, this.dir, { ...this.#env, ...env })
    this.running.push(command)
    return command
  }

  /** Runs lines that must work, and gives what they printed on stdout. */
  async run(lines: string, env: NodeJS.ProcessEnv = {}): Promise<string> {
    const command = this.start(lines, env)
    const { code } = await command.ended
    if (code !== 0) throw new Error(`${this.name}: exit ${code} from:\n${lines}\n${command.text}`)
    return command.out
  }
}

/** Several boxes on one network that nothing else is on. */
export class Boxes {
  readonly dir: string
  readonly boxes: readonly Box[]
  readonly #namespaces: readonly string[]

  private constructor(dir: string, boxes: readonly Box[], namespaces: readonly string[]) {
    this.dir = dir
    this.boxes = boxes
    this.#namespaces = namespaces
  }

  /** Whether this machine lets the test make network namespaces: root, and iproute2. */
  static arePossible(): boolean {
    const name = `rw-probe-${process.pid}`
    try {
      execFileSync('ip', ['netns', 'add', name], { stdio: 'ignore' })
      execFileSync('ip', ['netns', 'delete', name], { stdio: 'ignore' })
      return true
    } catch {
      return false
    }
  }

  /** Makes boxes called `names`, the first with address 10.0.0.1, the second with 10.0.0.2, and so on. */
  static async open(names: readonly string[]): Promise<Boxes> {
    const dir = await mkdtemp(join(tmpdir(), 'raftway-boxes-'))
    const bin = join(dir, 'bin')
    await mkdir(bin)
    const script = `#!/bin/sh\nexec '${process.execPath}' '${LAUNCHER}' "$@"\n`
    await writeFile(join(bin, 'raftway'), script, { mode: 0o755 })
    const env = { ...process.env, PATH: `${bin}:${process.env['PATH'] ?? ''}` }
    const bridge = `rw-${process.pid}-net`
    ip(['netns', 'add', bridge])
    ip(['-n', bridge, 'link', 'add', 'br0', 'type', 'bridge'])
    ip(['-n', bridge, 'link', 'set', 'br0', 'up'])
    const boxes: Box[] = []
    const namespaces = [bridge]
    for (const [at, name] of names.entries()) {
      const namespace = `rw-${process.pid}-${name}`
      namespaces.push(namespace)
      const address = `10.0.0.${at + 1}`
      connect({ bridge, namespace, port: `p${at}`, address })
      await mkdir(join(dir, name))
      boxes.push(new Box({ name, address, dir: join(dir, name), namespace, env }))
    }
    return new Boxes(dir, boxes, namespaces)
  }

  /** The box of a name. */
  box(name: string): Box {
    const found = this.boxes.find((one) => one.name === name)
    if (found === undefined) throw new Error(`no box is called ${name}`)
    return found
  }

  /** Ends every command by its process group, and takes network and folders away. */
  async close(): Promise<void> {
    for (const box of this.boxes) {
      for (const command of box.running) {
        if (command.process.exitCode === null && command.process.signalCode === null) {
          command.signalGroup('SIGKILL')
          await command.ended
        }
      }
    }
    for (const namespace of this.#namespaces) ip(['netns', 'delete', namespace])
    await rm(this.dir, { recursive: true, force: true })
  }
}

function connect(to: {
  readonly bridge: string
  readonly namespace: string
  readonly port: string
  readonly address: string
}): void {
  const { bridge, namespace, port, address } = to
  ip(['netns', 'add', namespace])
  const peer = ['peer', 'name', 'eth0', 'netns', namespace]
  ip(['-n', bridge, 'link', 'add', port, 'type', 'veth', ...peer])
  ip(['-n', bridge, 'link', 'set', port, 'master', 'br0', 'up'])
  ip(['-n', namespace, 'address', 'add', `${address}/24`, 'dev', 'eth0'])
  ip(['-n', namespace, 'link', 'set', 'eth0', 'up'])
  ip(['-n', namespace, 'link', 'set', 'lo', 'up'])
}

function ip(args: readonly string[]): void {
  execFileSync('ip', [...args], { stdio: ['ignore', 'ignore', 'pipe'] })
}
