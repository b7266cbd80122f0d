import type { z } from 'zod'
import { WAIT_APPLIED_MS_MAX } from '../shared/limits.ts'
import { gatewaysAnswer, type Rollout } from './answers.ts'
import type { Call, ControlClient } from './client.ts'
import type { OptionSpecs, Terminal } from './command.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import { UsageError } from './failures.ts'

/** How often a person who waits is told how far the roll-out is. */
const PROGRESS_MS = 1_000

/** Options of every command that can wait for gateways. */
export const WAIT_OPTIONS = {
  wait: { type: 'boolean', describe: 'wait until every connected gateway has applied the change' },
  'timeout-ms': {
    type: 'number',
    default: 30_000,
    describe: 'how long --wait waits; exit 6 and the gateways that are behind when it is over',
  },
} as const satisfies OptionSpecs

export type WaitArguments = { readonly wait: boolean | undefined; readonly 'timeout-ms': number }

type WriteContext = { readonly client: ControlClient; readonly terminal: Terminal }

/** Carries out a write, waiting for gateways if asked; while it waits, progress is said. Throws as the client does. */
export async function writeAndWait<T>(
  context: WriteContext,
  call: Call & { readonly schema: z.ZodType<T> },
  args: WaitArguments,
): Promise<T> {
  const timeoutMs = args['timeout-ms']
  if (timeoutMs < 0 || timeoutMs > WAIT_APPLIED_MS_MAX) {
    throw new UsageError(`--timeout-ms must be 0 to ${WAIT_APPLIED_MS_MAX} (WAIT_APPLIED_MS_MAX)`)
  }
  const { schema, ...plain } = call
  if (args.wait !== true) return context.client.call(plain, schema)
  const query = { ...call.query, wait: 'applied', timeoutMs }
  const progress = setInterval(() => void sayProgress(context), PROGRESS_MS)
  try {
    return await context.client.call({ ...plain, query, waitMs: timeoutMs }, schema)
  } finally {
    clearInterval(progress)
  }
}

/** Says how the roll-out went; exit 6 when a gateway is behind, each with its reason. */
export function reportRollout(rollout: Rollout | undefined, terminal: Terminal): ExitCode {
  if (rollout === undefined) return EXIT.ok
  const { gateways, applied, revision, behind } = rollout
  if (gateways === 0) terminal.say('no gateway is connected')
  else terminal.say(`${applied} of ${gateways} gateways serve revision ${revision}`)
  for (const gateway of behind) {
    const at =
      gateway.revision === null || gateway.revision === undefined
        ? ''
        : ` at revision ${gateway.revision}`
    terminal.say(`  behind: ${gateway.name}${at}: ${gateway.reason ?? 'no reason given'}`)
  }
  return behind.length === 0 ? EXIT.ok : EXIT.unavailable
}

/** A glance at the gateways. It is only for people: a failure of its own is not worth a word. */
async function sayProgress({ client, terminal }: WriteContext): Promise<void> {
  try {
    const { items } = await client.call({ method: 'GET', path: '/v1/gateways' }, gatewaysAnswer)
    const connected = items.filter((gateway) => gateway.connected)
    const behind = connected.filter((gateway) => (gateway.behind ?? 0) > 0)
    const names = behind.slice(0, 5).map((gateway) => gateway.name)
    const list =
      names.length === 0 ? '' : `; behind: ${names.join(', ')}${behind.length > 5 ? ' …' : ''}`
    terminal.say(
      `waiting: ${connected.length - behind.length} of ${connected.length} gateways${list}`,
    )
  } catch {
    // The write itself tells what is wrong.
  }
}
