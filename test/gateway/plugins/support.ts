import { afterEach } from 'vitest'
import { Networks } from '../../../shared/addresses/networks.ts'
import type { ApiSpec } from '../../../shared/definitions/api.ts'
import { hashApiKey } from '../../../shared/definitions/api-key.ts'
import type { ConsumerSpec } from '../../../shared/definitions/consumer.ts'
import type { DefinitionInput } from '../../../shared/definitions/kinds.ts'
import type { PlanSpec } from '../../../shared/definitions/plan.ts'
import type { PluginSet } from '../../../shared/plugins/schema.ts'
import { api, targets } from '../support/definitions.ts'
import { startImpatientWorker, type OneWorker } from '../support/one-worker.ts'
import { sendRaw } from '../support/raw-client.ts'
import { startRawTarget } from '../support/target.ts'

const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

/** The clock of tests, which stands still until somebody moves it; milliseconds since 1970. */
export const T0 = Date.parse('2026-01-01T00:00:00Z')

/** A worker with one Api, whose target keeps the heads that reach it. */
export type PluginBench = {
  readonly worker: OneWorker
  /** Requests as they reached the target: head and body, one character a byte. */
  readonly reached: readonly string[]
  /** The clock of the plugins. */
  nowMs: number
  /** Field lines of the target's answers beside their length. */
  answerLines: string
  /** Sends a request over a connection of its own, `head` without Host: `GET /a HTTP/1.1\r\n…`. */
  ask(head: string, body?: string): Promise<Answer>
  /** GET / with these fields: `X-Api-Key: k`. */
  get(...fields: readonly string[]): Promise<Answer>
}

type Answer = {
  readonly status: number
  readonly head: string
  readonly body: string
  /** `code` of an error; null when it is none. */
  readonly code: string | null
}

/** Starts a worker with plugins on its Api, and whatever else they need. */
export async function pluginBench(
  plugins: PluginSet,
  ...definitions: readonly DefinitionInput[]
): Promise<PluginBench> {
  return benchOf({ plugins }, {}, definitions)
}

/** The same, but the test is a trusted proxy: X-Forwarded-For and -Proto say who the client is. */
export async function proxiedBench(
  plugins: PluginSet,
  ...definitions: readonly DefinitionInput[]
): Promise<PluginBench> {
  const trusted = { networks: new Networks(['127.0.0.0/8']), field: 'x-forwarded-for' } as const
  return benchOf({ plugins }, { trusted }, definitions)
}

/** The same with more of the Api, or of the worker. */
export async function benchOf(
  spec: Partial<ApiSpec>,
  options: Parameters<typeof startImpatientWorker>[0],
  definitions: readonly DefinitionInput[],
): Promise<PluginBench> {
  const reached: string[] = []
  const answer = { lines: 'X-From: target\r\n' }
  const target = await startRawTarget((socket, data) => {
    reached.push(data.toString('latin1'))
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n${answer.lines}\r\nok`)
  })
  closing.push(() => target.close())
  const clock = { nowMs: T0 }
  const worker = await startImpatientWorker(
    { epochMs: () => clock.nowMs, ...options },
    api('shop', '/', targets(target.url), spec),
    ...definitions,
  )
  closing.push(() => worker.stop())
  const ask = async (head: string, body = ''): Promise<Answer> =>
    answerOf(
      await sendRaw(worker.port, `${head}Host: shop.example\r\nConnection: close\r\n\r\n${body}`),
    )
  return {
    worker,
    reached,
    ask,
    get: (...fields) => ask(['GET / HTTP/1.1', ...fields].map((line) => `${line}\r\n`).join('')),
    get nowMs() {
      return clock.nowMs
    },
    set nowMs(ms: number) {
      clock.nowMs = ms
    },
    get answerLines() {
      return answer.lines
    },
    set answerLines(lines: string) {
      answer.lines = lines
    },
  }
}

function answerOf(text: string): Answer {
  const end = text.indexOf('\r\n\r\n')
  const head = text.slice(0, end)
  const body = text.slice(end + 4)
  // As JSON, or as the page that browsers get.
  const code = /(?:"code":"|<h1>)([A-Z_]+)/.exec(body)?.[1] ?? null
  return { status: Number(head.split(' ', 2)[1]), head, body, code }
}

/** A request as it reached the target, with what differs from run to run replaced. */
export function golden(request: string | undefined): string {
  return (request ?? '')
    .replace(/^(X-Request-Id): .*$/m, '$1: *')
    .replace(/^(X-Forwarded-Port): .*$/m, '$1: *')
    .replace(/^(Host): 127\.0\.0\.1:[0-9]+/m, '$1: *')
    .replaceAll('\r\n', '\n')
}

export function consumer(name: string, spec: ConsumerSpec = {}): DefinitionInput {
  return { kind: 'Consumer', name, spec }
}

export function plan(name: string, spec: PlanSpec): DefinitionInput {
  return { kind: 'Plan', name, spec }
}

/** The credentials of a Consumer with one key. */
export function withKey(
  key: string,
  more: Partial<NonNullable<NonNullable<ConsumerSpec['credentials']>['keys']>[number]> = {},
): ConsumerSpec {
  return { credentials: { keys: [{ name: 'main', hash: hashApiKey(key), ...more }] } }
}
