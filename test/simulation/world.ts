import type { Answer } from '../../control-plane/api/answer.ts'
import type { ApiBounds } from '../../control-plane/api/context.ts'
import type { ForwardedRequest } from '../../control-plane/api/forward.ts'
import type { Node } from '../../control-plane/node/node.ts'
import type { Retention } from '../../control-plane/storage/retention.ts'
import { describeError, isRaftwayError } from '../../shared/errors.ts'
import { OWN_RELEASE, type Release } from '../../shared/features.ts'
import { FORWARD_MS_MAX } from '../../shared/limits.ts'
import { Random } from '../../shared/random.ts'
import type { Life } from './life.ts'
import { Machine, type Beginning, type Surroundings, type Witness } from './machine.ts'
import { Network } from './network.ts'
import { Oracle } from './oracle.ts'
import { Timeline } from './timeline.ts'
import type { DiskStep } from './virtual-disk.ts'
import type { Listener } from './virtual-transport.ts'
import { exchange } from './way-to-node.ts'

/** What is known of a machine beside what it knows itself. */
export type Standing = {
  /** A bit of its disk was flipped. */
  isRotten: boolean
  /** Its disk is lost, or its membership over: it is never started again. */
  isGone: boolean
  /** The operator has asked for its removal. */
  isLeaving: boolean
  /** Its disk was full in this life or an earlier one. */
  wasFull: boolean
}

export type WorldOptions = {
  readonly seed: number
  readonly machines: number
  readonly retention: Retention
  readonly bounds: Partial<ApiBounds>
  readonly workMs: number
  /** What founders run. */
  readonly release: Release
  readonly onLine: ((line: string) => void) | null
}

/** Longest time until a machine that crashed is started again. Milliseconds. */
const RESTART_MS_MAX = 1_500

/** A peer address that is looked up when it is used, as a name of the DNS is. */
const BY_NAME = ':by-name'

/** Machines, wires, and one who watches. Everything follows from the seed. */
export class World implements Surroundings {
  readonly timeline: Timeline
  readonly random: Random
  readonly network: Network
  readonly oracle: Oracle
  readonly retention: Retention
  readonly bounds: Partial<ApiBounds>
  readonly workMs: number
  readonly witness: Witness
  readonly #release: Release
  readonly #machines: Machine[] = []
  readonly #standings = new Map<Machine, Standing>()
  #names = 0

  constructor(options: WorldOptions) {
    this.timeline = new Timeline(options.onLine)
    this.random = new Random(options.seed)
    this.network = new Network(this.timeline, new Random(options.seed ^ 0x5eed))
    this.oracle = new Oracle(() => this.timeline.nowMs)
    this.retention = options.retention
    this.bounds = options.bounds
    this.workMs = options.workMs
    this.#release = options.release
    this.witness = this.#makeWitness()
    this.#found(options.machines)
  }

  /** Machines that are not gone for good. */
  get machines(): readonly Machine[] {
    return this.#machines.filter((machine) => !this.standing(machine).isGone)
  }

  /** The process that leads in the newest term, as far as one of them knows. */
  get leader(): Machine | null {
    const leaders = this.machines.filter(({ node }) => node?.isLeader ?? false)
    const termOf = ({ node }: Machine) => node?.status().term ?? 0
    return leaders.toSorted((a, b) => termOf(b) - termOf(a))[0] ?? null
  }

  standing(machine: Machine): Standing {
    const known = this.#standings.get(machine)
    if (known === undefined) throw new RangeError(`${machine.name} is of another world`)
    return known
  }

  /** Adds a machine with an empty disk, which looks for the cluster: what founders ran, or the newest program. */
  addMachine(): Machine {
    const added = this.#make({ type: 'join', peers: this.seeds(), replaces: null })
    if (this.random.below(2) === 0) added.release = OWN_RELEASE
    return added
  }

  /** A machine whose disk is lost comes back with an empty one, under its name, and asks for its place. */
  replaceMachine(old: Machine): Machine {
    const { id: replaces, name } = old
    return this.#make({ type: 'join', peers: this.seeds(), replaces }, name)
  }

  /** Starts a machine again in a while, unless it is gone by then. */
  restart(machine: Machine): void {
    this.timeline.after(20 + this.random.below(RESTART_MS_MAX), '', () => {
      if (!machine.isUp && !this.standing(machine).isGone) machine.start()
    })
  }

  /** Lets time pass; throws what the oracle finds. */
  async pass(ms: number, isOver: () => boolean = () => false): Promise<void> {
    const { oracle, timeline } = this
    await timeline.run({
      untilMs: timeline.nowMs + ms,
      isOver: () => oracle.failure !== null || isOver(),
      afterEach: () => {},
    })
    if (oracle.failure !== null) throw oracle.failure
  }

  seeds(): readonly string[] {
    return this.machines.map(({ name }) => `${name}${BY_NAME}`)
  }

  listenerAt(peer: string): Listener | null {
    const isThere = (machine: Machine): boolean =>
      machine.isUp && (machine.peer === peer || `${machine.name}${BY_NAME}` === peer)
    return this.#machines.find(isThere)?.listener ?? null
  }

  machineAt(peer: string): string {
    return peer.slice(0, peer.indexOf(':'))
  }

  forward(from: Machine, life: Life, request: ForwardedRequest): Promise<Answer> {
    const { network } = this
    const { origin, method, target, headers, body, signal } = request
    const to = this.machines.find(({ api }) => api === origin)
    return new Promise((resolve, reject) => {
      const broken = (code: string) =>
        reject(Object.assign(new Error(`forwarding failed: ${code}`), { code }))
      if (to === undefined || method !== 'POST') return broken('ENOTFOUND')
      const cancel = life.after(FORWARD_MS_MAX, () => broken('UND_ERR_HEADERS_TIMEOUT'))
      signal.addEventListener('abort', () => {
        cancel()
        broken('UND_ERR_ABORTED')
      })
      const label = `forwarded ${headers['idempotency-key'] ?? ''}`
      const forwarded = { type: 'write', method, target, headers, body } as const
      exchange({ network, from: from.name, to, label, request: forwarded }, (outcome) =>
        life.enter(() => {
          cancel()
          if (outcome.type === 'answered') resolve(outcome.answer)
          else broken(outcome.type === 'refused' ? 'ECONNREFUSED' : 'UND_ERR_SOCKET')
        }),
      )
    })
  }

  #found(count: number): void {
    const founders: Machine['address'][] = []
    for (let at = 0; at < count; at++) this.#make({ type: 'found', founders })
    founders.push(...this.#machines.map(({ address }) => address))
  }

  #make(beginning: Beginning, given?: string): Machine {
    const id = ++this.#names
    const name = given ?? `n${id}`
    const machine = new Machine(this, { name, id, beginning, release: this.#release })
    this.#machines.push(machine)
    this.#standings.set(machine, {
      isRotten: false,
      isGone: false,
      isLeaving: false,
      wasFull: false,
    })
    return machine
  }

  #makeWitness(): Witness {
    const { oracle } = this
    return {
      onMessage: (machine, message) => oracle.onMessage(machine, message),
      onStart: (machine: Machine, node: Node) => oracle.onStart(machine, node),
      onExit: (machine, error) => this.#onExit(machine, error),
      onDamage: (machine) => this.#onDamage(machine),
      onMembership: (index, confState) => oracle.onMembership(index, confState),
      diskWitness: (machine) => {
        oracle.onBoot(machine)
        return {
          onStep: (step) => onStep(machine, step, () => this.restart(machine)),
          onWritten: (batch) => oracle.onWritten(machine, batch),
          onSynced: () => oracle.onSynced(machine),
        }
      },
    }
  }

  /** Which ends are to be expected, and what the operator does then. */
  #onExit(machine: Machine, error: unknown): void {
    const standing = this.standing(machine)
    if (isRaftwayError(error, 'MEMBER_REMOVED') && standing.isLeaving) {
      standing.isGone = true
    } else if (isRaftwayError(error, 'STORAGE_CORRUPT') && standing.isRotten) {
      this.#lose(machine)
    } else if (standing.wasFull && isOfTheDisk(error)) {
      this.restart(machine)
    } else if (isRaftwayError(error, 'STOPPING')) {
      this.restart(machine)
    } else {
      this.oracle.fail(`${machine.name} ended: ${describeError(error)}\n${stackOf(error)}`)
    }
  }

  /** A disk is lost for good: either the machine replaces itself, or the operator puts another in its place. */
  #lose(machine: Machine): void {
    this.standing(machine).isGone = true
    if (this.random.below(2) === 0) return
    const again = this.replaceMachine(machine)
    this.timeline.note(`* ${again.name} comes back with an empty disk`)
    again.start()
  }

  /** The operator takes a machine away whose log says that its disk is damaged. */
  #onDamage(machine: Machine): void {
    const standing = this.standing(machine)
    if (!standing.isRotten) {
      this.oracle.fail(`${machine.name} finds its disk damaged, and nobody has touched it`)
      return
    }
    this.timeline.after(0, '', () => {
      if (standing.isGone) return
      machine.crash('process')
      this.#lose(machine)
    })
  }
}

function onStep(machine: Machine, step: DiskStep, restart: () => void): void {
  const { armed } = machine
  if (armed === null || armed.step !== step || --armed.left > 0) return
  machine.crash(armed.crash)
  restart()
}

function isOfTheDisk(error: unknown): boolean {
  if (isRaftwayError(error, 'STORAGE_FAILED')) return true
  if (!(error instanceof Error)) return false
  return ('code' in error && error.code === 'ENOSPC') || isOfTheDisk(error.cause)
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? '') : ''
}
