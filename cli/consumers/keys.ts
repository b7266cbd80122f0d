import { z } from 'zod'
import { deleteAnswer } from '../answers.ts'
import type { ControlClient } from '../client.ts'
import type { Terminal } from '../command.ts'
import { definitionPath } from '../kind-argument.ts'
import { writeAndWait, type WaitArguments } from '../rollout.ts'

const key = z.looseObject({
  name: z.string(),
  prefix: z.string().optional(),
  lastFour: z.string().optional(),
  enabled: z.boolean().optional(),
  createdAt: z.string().optional(),
  expiresAt: z.string().optional(),
})

/** The keys of a Consumer. */
export const keysAnswer = z.looseObject({ items: z.array(key) })
/** A key that was made; `secret` is told here and never again. `previous`: what it takes the place of. */
const madeKeyAnswer = deleteAnswer.extend({
  key,
  previous: key.optional(),
  secret: z.string().optional(),
})

export type KeyAnswer = z.infer<typeof key>
export type MadeKey = z.infer<typeof madeKeyAnswer>

/** Path of the keys of a Consumer, of one of them, or of what is done to it. */
export function keysPath(consumer: string, ...more: readonly string[]): string {
  return [definitionPath('Consumer', consumer), 'keys', ...more.map(encodeURIComponent)].join('/')
}

/** Makes a key; members of `body` as the API has them. Throws as the client does. */
export function makeKey(
  context: { readonly client: ControlClient; readonly terminal: Terminal },
  path: string,
  asked: { readonly body: Readonly<Record<string, unknown>>; readonly args: WaitArguments },
): Promise<MadeKey> {
  return writeAndWait(
    context,
    { method: 'POST', path, body: asked.body, schema: madeKeyAnswer },
    asked.args,
  )
}

/** How a key is told from others: `rwk_AbCd…wxyz`. */
export function keyText({ prefix, lastFour }: KeyAnswer): string {
  return `${prefix ?? ''}…${lastFour ?? ''}`
}

/** Whether a key is taken now. */
export function keyState({ enabled, expiresAt }: KeyAnswer, nowMs: number): string {
  if (enabled === false) return 'disabled'
  return expiresAt !== undefined && Date.parse(expiresAt) <= nowMs ? 'expired' : 'good'
}
