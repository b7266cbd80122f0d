import { describeError } from '../../shared/errors.ts'
import { Random } from '../../shared/random.ts'
import { HistoryRecorder } from '../checkers/history.ts'
import { checkLinearizability } from '../checkers/linearizability.ts'
import { checkRevisions } from '../checkers/revisions.ts'
import { Client } from './client.ts'
import { profileOf, type Profile } from './profiles.ts'
import { WatchClient } from './watch-client.ts'
import { Weather } from './weather.ts'
import { World } from './world.ts'

/** How a run went. */
export type Outcome = {
  readonly seed: number
  readonly profile: string
  /** Equal for equal runs. */
  readonly digest: string
  /** What went wrong, or null. */
  readonly failure: string | null
  readonly steps: number
  readonly revisions: number
  readonly calls: number
  readonly watchLines: number
}

/** Who hears of a run while it goes on. */
export type Listeners = {
  /** Every line of the trace. */
  readonly onLine: ((line: string) => void) | null
  /** What clients asked and were told, a line of a history file each. */
  readonly onOperation: (line: string) => void
}

const NOBODY: Listeners = { onLine: null, onOperation() {} }

/** How long a healthy cluster may take to agree, a write and every watcher included. */
const CALM_MS_MAX = 30_000

/** One life of a whole cluster, its clients and its watchers. Everything follows from the seed. */
export async function simulate(seed: number, listeners: Listeners = NOBODY): Promise<Outcome> {
  const profile = profileOf(seed)
  const run = new Run(seed, profile, listeners)
  const failure = await run.run().then(
    () => null,
    (error: unknown) => (error instanceof Error ? (error.stack ?? error.message) : String(error)),
  )
  const { world, recorder, watchers } = run
  const { digest } = world.timeline
  if (failure !== null) world.timeline.note(`FAILED: ${failure}`)
  return {
    seed,
    profile: profile.name,
    digest,
    failure,
    steps: world.timeline.steps,
    revisions: world.oracle.newest,
    calls: recorder.history.length,
    watchLines: watchers.reduce((sum, { lines }) => sum + lines, 0),
  }
}

class Run {
  readonly world: World
  readonly recorder: HistoryRecorder
  readonly clients: readonly Client[]
  readonly watchers: readonly WatchClient[]
  readonly #profile: Profile
  readonly #weather: Weather

  constructor(seed: number, profile: Profile, { onLine, onOperation }: Listeners) {
    this.#profile = profile
    const { machines, retention, bounds, workMs, release } = profile
    this.world = new World({ seed, machines, retention, bounds, workMs, release, onLine })
    const { timeline, network, oracle } = this.world
    this.recorder = new HistoryRecorder(() => timeline.nowMs, onOperation)
    const around = { timeline, network, oracle, machines: () => this.world.machines }
    this.clients = Array.from({ length: profile.clients }, (_, at) => {
      const random = new Random(seed * 31 + at)
      const { recorder } = this
      return new Client({
        ...around,
        random,
        recorder,
        name: `c${at + 1}`,
        keys: profile.keys,
        pauseMsMax: 30,
      })
    })
    this.watchers = Array.from({ length: profile.watchers }, (_, at) => {
      return new WatchClient({ ...around, random: new Random(seed * 37 + at), name: `w${at + 1}` })
    })
    this.#weather = new Weather(this.world, profile, this.watchers)
  }

  async run(): Promise<void> {
    const { world, clients, watchers } = this
    for (const machine of world.machines) machine.start()
    for (const watcher of watchers) watcher.start()
    for (const client of clients) client.start()
    await world.pass(600)
    this.#weather.begin()
    await world.pass(this.#profile.stormMs)
    this.#weather.end()
    await this.#calm()
    this.#check()
  }

  /** Liveness: with nothing in their way they elect, take a write, and come to the same state. */
  async #calm(): Promise<void> {
    const { world, clients } = this
    for (const client of clients) client.stop()
    const last = clients[0]
    let isWritten = false
    let isAsking = false
    const onWritten = (isDone: boolean): void => {
      isWritten = isDone
      isAsking = false
    }
    const onError = (error: unknown): void => world.oracle.fail(describeError(error))
    const isCalm = (): boolean => {
      if (!isWritten && !isAsking && last !== undefined && world.leader !== null) {
        isAsking = true
        last.writeOnce().then(onWritten, onError)
      }
      return isWritten && this.#disagreement() === null
    }
    // Calls that are still under way end on their own.
    await world.pass(5_000)
    await world.pass(CALM_MS_MAX, isCalm)
    if (!isWritten) throw new Error('liveness: no write succeeds after the storm')
    const disagreement = this.#disagreement()
    if (disagreement !== null) throw new Error(`liveness: ${disagreement}`)
  }

  /** Who has not come to what the leader has; null when everybody has. */
  #disagreement(): string | null {
    const { world, watchers } = this
    const node = world.leader?.node
    if (node === undefined || node === null) return 'nobody leads'
    const { revision, hash } = node.state
    if (revision !== world.oracle.newest) return `the leader is at ${revision}`
    for (const { name } of node.status().members) {
      const machine = world.machines.find((each) => each.name === name)
      const state = machine?.node?.state
      if (state === undefined) return `member ${name} is not there`
      if (state.revision !== revision || state.hash !== hash)
        return `${name} is at ${state.revision}`
    }
    const behind = watchers.find((watcher) => watcher.revision !== revision)
    return behind === undefined ? null : `a watcher is at ${behind.revision}, not at ${revision}`
  }

  #check(): void {
    const { world, recorder, clients, watchers } = this
    const { oracle } = world
    for (const { acknowledged } of clients)
      for (const { op, revision } of acknowledged) oracle.checkAcknowledged(op, revision)
    if (oracle.failure !== null) throw oracle.failure
    const committed = oracle.revisions.map(({ revision, changes }) => ({
      revision,
      changes: changes.map((change) => {
        const isPut = change.op === 'put'
        const { name } = isPut ? change.definition : change
        return { key: name, value: isPut ? (change.definition.labels?.['op'] ?? null) : null }
      }),
    }))
    const problems = checkRevisions(recorder.history, committed, { isComplete: true })
    const verdict = checkLinearizability(recorder.history)
    if (verdict.verdict !== 'linearizable') problems.push(`${verdict.key}: ${verdict.detail}`)
    for (const [at, watcher] of watchers.entries())
      for (const problem of watcher.check()) problems.push(`w${at + 1}: ${problem}`)
    if (problems.length > 0) throw new Error(problems.slice(0, 10).join('\n'))
  }
}
