import type { Answer } from '../../control-plane/api/answer.ts'
import type { Operation } from '../../control-plane/ports.ts'
import type { Ending, HistoryRecorder } from '../checkers/history.ts'
import type { Definition, DefinitionInput } from '../../shared/definitions/kinds.ts'
import { parseDefinition } from '../../shared/definitions/parse.ts'
import type { Random } from '../../shared/random.ts'
import type { Machine } from './machine.ts'
import type { Network } from './network.ts'
import type { ApiRequest, WriteBody } from './node-api.ts'
import type { Oracle } from './oracle.ts'
import type { Timeline } from './timeline.ts'
import { exchange, type Exchange } from './way-to-node.ts'

const ATTEMPTS_MAX = 5
const ATTEMPT_MS_MAX = 1_500

export type ClientParts = {
  readonly name: string
  readonly timeline: Timeline
  readonly network: Network
  readonly random: Random
  readonly oracle: Oracle
  readonly recorder: HistoryRecorder
  readonly machines: () => readonly Machine[]
  readonly keys: number
  /** Longest pause between two calls. Milliseconds. */
  readonly pauseMsMax: number
}

/** How a call with all its attempts ended. */
type Outcome = {
  readonly answer: Answer | null
  /** An attempt whose fate nobody knows came before. */
  readonly isUncertain: boolean
}

/** Asks one thing after another, of any node, and writes down what it was told. */
export class Client {
  readonly #parts: ClientParts
  #calls = 0
  #isStopped = false
  /** What it last saw of each key: the guards of its writes. */
  readonly #seen = new Map<string, number>()
  /** Acknowledged writes: the label and the revision. */
  readonly acknowledged: { readonly op: string; readonly revision: number }[] = []

  constructor(parts: ClientParts) {
    this.#parts = parts
  }

  start(): void {
    this.#next()
  }

  stop(): void {
    this.#isStopped = true
  }

  /** One write that must succeed; resolves with whether it did. */
  async writeOnce(): Promise<boolean> {
    const name = this.#key()
    const op = this.#op()
    const ending = this.#invoke({ op: 'put', key: name, value: op })
    const outcome = await this.#write(op, [put(name, op, null)])
    this.#settleWrite([ending], outcome, op)
    return outcome.answer?.status === 200
  }

  #next(): void {
    const { timeline, random, pauseMsMax } = this.#parts
    timeline.after(random.below(pauseMsMax * 1_000) / 1_000, '', () => {
      if (this.#isStopped) return
      // It hears its own failures; what it finds is the oracle's.
      this.#act().then(
        () => this.#next(),
        (error: unknown) => this.#parts.oracle.fail(`client: ${String(error)}`),
      )
    })
  }

  async #act(): Promise<void> {
    const dice = this.#parts.random.below(100)
    if (dice < 30) await this.#read(false)
    else if (dice < 38) await this.#read(true)
    else if (dice < 62) await this.writeOnce()
    else if (dice < 80) await this.#guardedPut()
    else if (dice < 88) await this.#delete()
    else if (dice < 94) await this.#transaction()
    else if (dice < 97) await this.#readPast()
    else await this.#readHistory()
  }

  async #guardedPut(): Promise<void> {
    const name = this.#key()
    const op = this.#op()
    const ifRevision = this.#seen.get(name) ?? 0
    const ending = this.#invoke({ op: 'cas', key: name, value: op, ifRevision })
    const outcome = await this.#write(op, [put(name, op, ifRevision)])
    this.#settleWrite([ending], outcome, op)
    this.#look(name, outcome)
  }

  async #delete(): Promise<void> {
    const name = this.#key()
    const ifRevision = this.#seen.get(name)
    const isGuarded =
      ifRevision !== undefined && ifRevision > 0 && this.#parts.random.below(2) === 0
    const guard = isGuarded ? ifRevision : null
    const op = this.#op()
    const ending = this.#invoke({
      op: 'delete',
      key: name,
      ...(guard === null ? {} : { ifRevision: guard }),
    })
    const outcome = await this.#write(op, [{ op: 'delete', kind: 'Api', name, ifRevision: guard }])
    this.#settleWrite([ending], outcome, null)
    this.#look(name, outcome)
  }

  /** Two keys in one write. */
  async #transaction(): Promise<void> {
    const { keys, random } = this.#parts
    const first = random.below(keys)
    const names = [first, (first + 1 + random.below(keys - 1)) % keys].map((at) => `k${at}`)
    const op = this.#op()
    const endings = names.map((name, at) =>
      this.#invoke({ op: 'put', key: name, value: op }, `${this.#parts.name}/${at}`),
    )
    const outcome = await this.#write(
      op,
      names.map((name) => put(name, op, null)),
    )
    this.#settleWrite(endings, outcome, op)
  }

  async #read(isStale: boolean): Promise<void> {
    const { oracle } = this.#parts
    const name = this.#key()
    const ending = isStale ? null : this.#invoke({ op: 'get', key: name })
    const { answer } = await this.#ask(this.#machine(), { type: 'read', name, isStale }, 'read')
    if (answer === null || answer.status !== 200) {
      ending?.fail(null)
      return
    }
    const { definition } = bodyOf(answer) as { readonly definition: Definition | null }
    const agreed = oracle.definitionAt(`Api/${name}`, answer.revision)
    const [read, expected] = [definition, agreed].map((one) => JSON.stringify(one))
    oracle.expectEqual(read, expected, `${name} as read at revision ${answer.revision}`)
    this.#seen.set(name, definition?.revision ?? 0)
    ending?.ok({
      value: definition?.labels?.['op'] ?? null,
      revision: definition?.revision ?? null,
    })
  }

  /** The whole config at some revision of the past. */
  async #readPast(): Promise<void> {
    const { oracle, random } = this.#parts
    const machine = this.#machine()
    const newest = machine.node?.state.revision ?? 0
    const revision = Math.max(0, newest - random.below(30))
    const { answer } = await this.#ask(machine, { type: 'config', revision }, 'past')
    if (answer === null || answer.status !== 200) return this.#checkRefusal(answer, machine)
    const { definitions } = bodyOf(answer) as { readonly definitions: readonly Definition[] }
    const found = JSON.stringify(definitions.toSorted(byName))
    const expected = JSON.stringify([...oracle.configAt(revision).values()].toSorted(byName))
    oracle.expectEqual(found, expected, `config at revision ${revision} on ${machine.name}`)
  }

  async #readHistory(): Promise<void> {
    const { oracle, random } = this.#parts
    const machine = this.#machine()
    const newest = machine.node?.state.revision ?? 0
    const after = Math.max(0, newest - random.below(30))
    const request = { type: 'history', after, limit: 1 + random.below(10) } as const
    const { answer } = await this.#ask(machine, request, 'history')
    if (answer === null || answer.status !== 200) return this.#checkRefusal(answer, machine)
    const { items } = bodyOf(answer) as {
      readonly items: readonly { readonly revision: number; readonly changes: readonly Kept[] }[]
    }
    for (const [at, { revision, changes }] of items.entries()) {
      oracle.expectEqual(revision, after + 1 + at, `history after ${after} on ${machine.name}`)
      const found = JSON.stringify(changes.map(asChange))
      oracle.expectEqual(found, oracle.revision(revision)?.text, `history of ${revision}`)
    }
  }

  /** What is no longer kept is refused as such, and nothing else is. */
  #checkRefusal(answer: Answer | null, machine: Machine): void {
    if (answer === null) return
    const { code } = bodyOf(answer) as { readonly code?: string }
    const isUsual = ['REVISION_COMPACTED', 'REVISION_NOT_FOUND', 'NOT_FORMED', 'STORAGE_CORRUPT']
    if (code === undefined || !isUsual.includes(code))
      this.#parts.oracle.fail(`${machine.name} refused the past with ${code ?? answer.status}`)
  }

  async #write(op: string, operations: readonly Operation[]): Promise<Outcome> {
    const { random } = this.#parts
    const body = Buffer.from(JSON.stringify({ operations, message: op } satisfies WriteBody))
    const request: ApiRequest = {
      type: 'write',
      method: 'POST',
      target: '/v1/transactions',
      headers: { 'idempotency-key': op },
      body,
    }
    let isUncertain = false
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      const { answer, isRefused } = await this.#ask(this.#machine(), request, `write ${op}`)
      const code = answer === null ? null : codeOf(answer)
      if (code === 'INTERNAL') this.#parts.oracle.fail(`a node failed at ${op}`)
      const isOver = answer !== null && answer.status !== 503 && answer.status !== 504
      if (isOver) {
        // A repeat that is asked for although the answer came must give the same answer.
        if (answer.status === 200 && random.below(10) === 0) await this.#repeat(request, answer)
        return { answer, isUncertain }
      }
      if (code === 'WRITE_UNCERTAIN' || code === 'TIMEOUT' || (answer === null && !isRefused))
        isUncertain = true
      await this.#pause(20 + random.below(200))
      if (this.#isStopped && attempt > 1) break
    }
    return { answer: null, isUncertain }
  }

  async #repeat(request: ApiRequest, first: Answer): Promise<void> {
    const { answer } = await this.#ask(this.#machine(), request, 'repeat')
    if (answer === null || answer.status !== 200) return
    this.#parts.oracle.expectEqual(answer.revision, first.revision, 'the answer to a repeat')
  }

  #settleWrite(endings: readonly Ending[], outcome: Outcome, op: string | null): void {
    const { answer, isUncertain } = outcome
    for (const ending of endings) {
      if (answer?.status === 200) ending.ok({ revision: answer.revision })
      else if (isUncertain || (answer !== null && answer.status >= 500)) ending.info()
      else if (answer === null) ending.fail(null)
      else {
        const conflict = bodyOf(answer) as { readonly currentRevision?: number }
        const { currentRevision } = conflict
        const code = codeOf(answer)
        // Without a guard nothing stands against a write.
        const isGuard = code === 'REVISION_CONFLICT'
        ending.fail(isGuard ? (currentRevision ?? null) : null, code ?? String(answer.status))
        if (!isGuard && code !== 'DEFINITION_NOT_FOUND')
          this.#parts.oracle.fail(`a write was refused with ${code ?? answer.status}`)
      }
    }
    if (answer?.status === 200 && op !== null)
      this.acknowledged.push({ op, revision: answer.revision })
  }

  /** What a guarded write taught of its key. */
  #look(name: string, { answer }: Outcome): void {
    if (answer === null) return
    const { currentRevision } = bodyOf(answer) as { readonly currentRevision?: number }
    if (currentRevision !== undefined) this.#seen.set(name, currentRevision)
    else if (answer.status === 200) this.#seen.set(name, answer.revision)
  }

  #ask(
    machine: Machine,
    request: ApiRequest,
    label: string,
  ): Promise<{ readonly answer: Answer | null; readonly isRefused: boolean }> {
    const { network, timeline, name } = this.#parts
    return new Promise((resolve) => {
      const cancel = timeline.after(ATTEMPT_MS_MAX, `${name} gives up ${label}`, () =>
        resolve({ answer: null, isRefused: false }),
      )
      exchange({ network, from: name, to: machine, label, request }, (outcome: Exchange) => {
        cancel()
        const answer = outcome.type === 'answered' ? outcome.answer : null
        resolve({ answer, isRefused: outcome.type === 'refused' })
      })
    })
  }

  #invoke(
    call: {
      readonly op: 'put' | 'cas' | 'delete' | 'get'
      readonly key: string
      readonly value?: unknown
      readonly ifRevision?: number
    },
    process = this.#parts.name,
  ): Ending {
    return this.#parts.recorder.invoke({ process, ...call })
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#parts.timeline.after(ms, '', resolve)
    })
  }

  #op(): string {
    return `${this.#parts.name}-${++this.#calls}`
  }

  #key(): string {
    return `k${this.#parts.random.below(this.#parts.keys)}`
  }

  #machine(): Machine {
    const machines = this.#parts.machines()
    const machine = machines[this.#parts.random.below(machines.length)]
    if (machine === undefined) throw new RangeError('there is always a machine to ask')
    return machine
  }
}

type Kept = {
  readonly op: 'put' | 'delete'
  readonly kind: string
  readonly name: string
  readonly after: Definition | null
}

function asChange({ kind, name, after }: Kept): unknown {
  return after === null ? { op: 'delete', kind, name } : { op: 'put', definition: after }
}

function put(name: string, op: string, ifRevision: number | null): Operation {
  const parsed = parseDefinition({
    kind: 'Api',
    name,
    labels: { op },
    spec: {
      routes: [{ path: `/${name}/` }],
      upstream: { targets: [{ url: 'http://127.0.0.1:9000' }] },
    },
  })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues))
  const definition: DefinitionInput = parsed.value
  return { op: 'put', definition, ifRevision }
}

function bodyOf(answer: Answer): unknown {
  return Buffer.isBuffer(answer.body) ? JSON.parse(answer.body.toString()) : answer.body
}

function codeOf(answer: Answer): string | null {
  const { code } = bodyOf(answer) as { readonly code?: string }
  return code ?? null
}

function byName(a: Definition, b: Definition): number {
  return a.name < b.name ? -1 : 1
}
