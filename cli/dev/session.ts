import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { request } from 'undici'
import { anyAnswer, clusterAnswer, configAnswer } from '../answers.ts'
import { ControlClient } from '../client.ts'
import type { Terminal } from '../command.ts'
import { loadDefinitions } from '../documents/load-definitions.ts'
import { EXIT } from '../exit-codes.ts'
import { ApiProblem, CommandFailure } from '../failures.ts'
import { DevChild } from './child.ts'
import type { DevPlan } from './plan.ts'
import { startSampleTarget } from './sample-target.ts'
import { placeSamples } from './samples.ts'
import { controlUrls, type DevState } from './summary.ts'
import { commandPrefix, shellWords } from './words.ts'

const START_MS_MAX = 60_000
const POLL_MS = 50
/** Processes that have not stopped by themselves after this long are killed, so that all is over within 5 s. */
const STOP_MS_MAX = 3_500
/** A gateway of a local cluster need not wait long for requests under way. */
const DRAIN_MS = 1_000

/** The processes of one `raftway dev`, from start to stop. */
export class DevSession {
  readonly #plan: DevPlan
  readonly #dataDir: string
  readonly #terminal: Terminal
  readonly #stop: AbortSignal
  readonly #children: DevChild[] = []
  #target: { stop(): Promise<void> } | null = null
  #isStopping = false

  constructor(plan: DevPlan, dataDir: string, context: { terminal: Terminal; stop: AbortSignal }) {
    this.#plan = plan
    this.#dataDir = dataDir
    this.#terminal = context.terminal
    this.#stop = context.stop
  }

  /**
   * Starts everything and returns once it serves. Throws a failure with the end of the log of a process that does not
   * come up; `close` is still to be called then.
   */
  async start(): Promise<DevState> {
    const logs = join(this.#dataDir, 'logs')
    await mkdir(logs, { recursive: true })
    this.#target = await startSampleTarget(this.#plan.target)
    const starts = [...this.#nodeStarts(), ...this.#gatewayStarts()]
    for (const { name, args } of starts) {
      const child = await DevChild.start({ name, args, logFile: join(logs, `${name}.log`) })
      this.#children.push(child)
      void child.ended.then((ending) => this.#onEnded(child, ending))
    }
    const deadline = AbortSignal.any([this.#stop, AbortSignal.timeout(START_MS_MAX)])
    for (const { name, api } of this.#plan.nodes) {
      await this.#until(deadline, `${name} is ready`, () =>
        answersOk(`http://127.0.0.1:${api}/readyz`),
      )
    }
    const samples = await placeSamples(this.#dataDir, this.#plan.target, this.#terminal.cwd)
    const client = new ControlClient({
      urls: controlUrls(this.#plan).split(','),
      token: null,
      say: () => {},
    })
    try {
      const isFresh = await this.#applySample(client, samples)
      for (const { name, status } of this.#plan.gateways) {
        await this.#until(deadline, `${name} is ready`, () =>
          answersOk(`http://127.0.0.1:${status}/readyz`),
        )
      }
      const { leader } = await client.call({ method: 'GET', path: '/v1/cluster' }, clusterAnswer)
      return {
        plan: this.#plan,
        children: this.#children,
        leader,
        samples,
        dataDir: this.#dataDir,
        isFresh,
      }
    } finally {
      await client.close()
    }
  }

  /** Stops what still runs: asks, then kills. Nothing is left when it returns. */
  async close(): Promise<void> {
    this.#isStopping = true
    for (const child of this.#children) child.signal('SIGTERM')
    const timer = setTimeout(() => {
      for (const child of this.#children) child.signal('SIGKILL')
    }, STOP_MS_MAX)
    await Promise.all(this.#children.map((child) => child.ended))
    clearTimeout(timer)
    await this.#target?.stop()
  }

  /** Founders form the cluster together; nodes that were added in a later run join it. */
  #nodeStarts(): ChildStart[] {
    const { nodes, expect } = this.#plan
    const founders = nodes.slice(0, expect).map(({ peer }) => `127.0.0.1:${peer}`)
    return nodes.map(({ name, api, peer }, at) => {
      const hasToForm = at < expect && expect > 1
      const addresses = {
        name,
        'data-dir': join(this.#dataDir, name),
        api: `127.0.0.1:${api}`,
        peer: `127.0.0.1:${peer}`,
        ...(hasToForm || at >= expect ? { join: founders.join(',') } : {}),
        ...(hasToForm ? { expect: String(expect) } : {}),
      }
      return { name, args: ['server', 'start', ...flags(addresses)] }
    })
  }

  #gatewayStarts(): ChildStart[] {
    return this.#plan.gateways.map(({ name, http, status }) => {
      const options = {
        name,
        'data-dir': join(this.#dataDir, name),
        http: `127.0.0.1:${http}`,
        status: `127.0.0.1:${status}`,
        control: controlUrls(this.#plan),
        'drain-ms': String(DRAIN_MS),
      }
      return { name, args: ['gateway', 'start', ...flags(options)] }
    })
  }

  /** Gives an empty config something to serve, once. Returns whether it was empty. */
  async #applySample(client: ControlClient, samples: string): Promise<boolean> {
    const config = await client.call({ method: 'GET', path: '/v1/config' }, configAnswer)
    if (config.revision > 0) return false
    const file = resolve(this.#terminal.cwd, samples, 'petstore.yaml')
    const loaded = await loadDefinitions([file], this.#terminal)
    const operations = loaded.map(({ definition }) => ({ op: 'put', ...definition }))
    const body = { operations, message: 'the sample of raftway dev', ifConfigRevision: 0 }
    try {
      await client.call({ method: 'POST', path: '/v1/transactions', body }, anyAnswer)
      return true
    } catch (error) {
      // Somebody was faster: there is a config, which is all that was wanted.
      if (error instanceof ApiProblem && error.code === 'REVISION_CONFLICT') return false
      throw error
    }
  }

  async #until(deadline: AbortSignal, what: string, check: () => Promise<boolean>): Promise<void> {
    while (!(await check())) {
      const dead = this.#children.find((child) => !child.isRunning)
      if (dead !== undefined) {
        const tail = await dead.logTail()
        const text = `${dead.name} ${await dead.ended} while it started; its log (${dead.logFile}) ends with:\n${tail}`
        throw new CommandFailure(EXIT.error, text)
      }
      if (this.#stop.aborted) throw new CommandFailure(EXIT.ok, 'stopped while it started')
      if (deadline.aborted) {
        const text = `waited ${START_MS_MAX / 1_000} s until ${what}; logs are in ${join(this.#dataDir, 'logs')}`
        throw new CommandFailure(EXIT.unavailable, text)
      }
      await pause(POLL_MS)
    }
  }

  #onEnded(child: DevChild, ending: string): void {
    if (this.#isStopping) return
    const line = `${commandPrefix(this.#terminal)} ${shellWords(child.args)}`
    this.#terminal.say(`${child.name} (pid ${child.pid}) ${ending}. To start it again:\n  ${line}`)
  }
}

type ChildStart = { readonly name: string; readonly args: readonly string[] }

function flags(options: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(options).flatMap(([name, value]) => [`--${name}`, value])
}

async function answersOk(url: string): Promise<boolean> {
  try {
    const answer = await request(url, { headersTimeout: 1_000, bodyTimeout: 1_000 })
    await answer.body.dump()
    return answer.statusCode === 200
  } catch {
    return false
  }
}
