import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Process, until, type Json } from '../processes.ts'
import { nameOfForwarder, nameOfPeer } from './dialler.ts'
import { FakeClock, faketimeLibrary } from './fake-clock.ts'
import { Network } from './network.ts'
import { steadyPort } from './steady-port.ts'

/** One node behind relays. */
export type ChaosNode = {
  readonly name: string
  readonly process: Process
  /** Null where libfaketime is not installed. */
  readonly clock: FakeClock | null
}

/** What one node says of the cluster. */
export type View = {
  readonly name: string
  readonly leader: string | null
  readonly term: number
  readonly revision: number
  readonly hash: string
  readonly members: readonly { readonly name: string; readonly role: string }[]
}

const READY_MS_MAX = 60_000

/** A cluster of real nodes, every link between which goes through relays. `close` ends all of it. */
export class Nodes {
  readonly dir: string
  readonly network: Network
  readonly all: ChaosNode[] = []
  readonly #onExit = () => {
    for (const { process: child } of this.all) child.killNow()
  }

  private constructor(dir: string, seed: number) {
    this.dir = dir
    this.network = new Network(seed)
    process.once('exit', this.#onExit)
  }

  /** Starts `count` fresh nodes and waits until they are one cluster. `dataDirs` says where one keeps its data. */
  static async form(options: {
    readonly count: number
    readonly seed: number
    readonly dataDirs: Readonly<Record<string, string>>
    readonly args: readonly string[]
  }): Promise<Nodes> {
    const dir = await mkdtemp(join(tmpdir(), 'raftway-chaos-'))
    const nodes = new Nodes(dir, options.seed)
    try {
      await nodes.#open(options)
    } catch (error) {
      await nodes.close()
      throw new Error(`${String(error)}\n${nodes.tails}`, { cause: error })
    }
    return nodes
  }

  /** The last words of every node. */
  get tails(): string {
    const tails = this.all.map(
      ({ name, process: { output } }) => `── ${name}\n${output.slice(-2_000)}`,
    )
    return tails.join('\n')
  }

  get names(): readonly string[] {
    return this.all.map(({ name }) => name)
  }

  /** Where clients reach each node: its own port, beside the relays. */
  get places(): readonly { readonly name: string; readonly url: string }[] {
    return this.all.map(({ name, process: { url } }) => ({ name, url }))
  }

  get(name: string): ChaosNode {
    const node = this.all.find((one) => one.name === name)
    if (node === undefined) throw new Error(`no node is called ${name}`)
    return node
  }

  /** What a node says now; null when it says nothing. */
  async view(node: ChaosNode, timeoutMs = 2_000): Promise<View | null> {
    if (!node.process.isRunning) return null
    try {
      const response = await fetch(`${node.process.url}/v1/cluster`, {
        signal: AbortSignal.timeout(timeoutMs),
      })
      const body = (await response.json()) as Json
      return response.ok ? ({ ...body, name: node.name } as unknown as View) : null
    } catch {
      return null
    }
  }

  /** The node that leads, by the word of the highest term among those that answer. */
  async leader(): Promise<ChaosNode> {
    return until(
      'a leader',
      async () => {
        const views = await Promise.all(this.all.map((node) => this.view(node)))
        const newest = views
          .filter((view) => view !== null)
          .toSorted((a, b) => b.term - a.term)
          .find(({ leader }) => leader !== null)
        return newest?.leader == null ? null : this.get(newest.leader)
      },
      READY_MS_MAX,
    )
  }

  /** Starts whatever does not run, wakes what sleeps, and takes every fault off the network and the clocks. */
  async heal(): Promise<void> {
    this.network.heal()
    for (const node of this.all) {
      await node.clock?.set(0)
      node.process.signal('SIGCONT')
      if (!node.process.isRunning) node.process.start()
    }
  }

  /** Waits until every node is a voter, and all are at one revision with one hash. Gives both. */
  async converged(
    timeoutMs = READY_MS_MAX,
  ): Promise<{ readonly revision: number; readonly hash: string }> {
    return until(
      'every node has the same config',
      async () => {
        const views = await Promise.all(this.all.map((node) => this.view(node)))
        const dead = this.all.find((node) => !node.process.isRunning)
        if (dead !== undefined)
          throw new Error(`${dead.name} ended:\n${dead.process.output.slice(-2_000)}`)
        const [first] = views
        if (first == null) return null
        const isSame = views.every(
          (view) =>
            view?.revision === first.revision &&
            view.hash === first.hash &&
            view.leader === first.leader &&
            view.leader !== null &&
            view.members.length === this.all.length &&
            view.members.every(({ role }) => role === 'voter'),
        )
        return isSame ? { revision: first.revision, hash: first.hash } : null
      },
      timeoutMs,
    )
  }

  async close(): Promise<void> {
    process.off('exit', this.#onExit)
    await Promise.all(this.all.map((node) => node.process.kill('SIGKILL')))
    await this.network.close()
    await rm(this.dir, { recursive: true, force: true })
  }

  async #open(options: {
    readonly count: number
    readonly dataDirs: Readonly<Record<string, string>>
    readonly args: readonly string[]
  }): Promise<void> {
    const names = Array.from({ length: options.count }, (_, i) => `n${i + 1}`)
    const places = await Promise.all(
      names.map(async (name) => {
        const [api, peer] = [await steadyPort(), await steadyPort()]
        const frontApi = await this.network.relay(name, api, nameOfForwarder)
        const frontPeer = await this.network.relay(name, peer, nameOfPeer)
        return { name, api, peer, frontApi, frontPeer }
      }),
    )
    const join_ = places.map(({ frontPeer }) => `127.0.0.1:${frontPeer}`).join(',')
    const library = faketimeLibrary()
    for (const { name, api, peer, frontApi, frontPeer } of places) {
      const dataDir = options.dataDirs[name] ?? join(this.dir, name)
      await mkdir(dataDir, { recursive: true })
      const clock =
        library === null ? null : new FakeClock(join(this.dir, `${name}.clock`), library)
      await clock?.set(0)
      const args = ['server', 'start', '--name', name, '--data-dir', dataDir]
      args.push('--api', `127.0.0.1:${api}`, '--advertise-api', `http://127.0.0.1:${frontApi}`)
      args.push('--peer', `127.0.0.1:${peer}`, '--advertise-peer', `127.0.0.1:${frontPeer}`)
      args.push('--join', join_, '--expect', String(options.count), ...options.args)
      const url = `http://127.0.0.1:${api}`
      this.all.push({
        name,
        clock,
        process: new Process(name, url, dataDir, args, clock?.env ?? {}),
      })
    }
    for (const node of this.all) node.process.start()
    await Promise.all(this.all.map((node) => node.process.ready(READY_MS_MAX)))
    await this.converged()
  }
}
