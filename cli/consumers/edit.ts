import type { ConsumerSpec } from '../../shared/definitions/consumer.ts'
import { CLIENT_ROUNDS_MAX } from '../../shared/limits.ts'
import { definitionAnswer, rolloutAnswer, type DefinitionAnswer, type Rollout } from '../answers.ts'
import type { ControlClient } from '../client.ts'
import type { Terminal } from '../command.ts'
import { ApiProblem } from '../failures.ts'
import { definitionPath } from '../kind-argument.ts'
import { writeAndWait, type WaitArguments } from '../rollout.ts'

/** A definition that was written, and how far it has come. */
const writtenAnswer = definitionAnswer.extend({ rollout: rolloutAnswer.optional() })
type Written = DefinitionAnswer & { readonly rollout?: Rollout | undefined }

type Context = { readonly client: ControlClient; readonly terminal: Terminal }

/** What a Consumer or Plan becomes; it must not exist. */
export function createDefinition(
  context: Context,
  made: {
    readonly kind: 'Consumer' | 'Plan'
    readonly name: string
    readonly labels?: Readonly<Record<string, string>> | undefined
    readonly spec: unknown
  },
  args: WaitArguments,
): Promise<Written> {
  const { kind, name, labels, spec } = made
  const body = labels === undefined ? { spec } : { labels, spec }
  const headers = { 'if-none-match': '*' }
  return writeAndWait(
    context,
    { method: 'PUT', path: definitionPath(kind, name), body, headers, schema: writtenAnswer },
    args,
  )
}

/** The Consumer as it stands. */
export function readConsumer(client: ControlClient, name: string): Promise<DefinitionAnswer> {
  return client.call({ method: 'GET', path: definitionPath('Consumer', name) }, definitionAnswer)
}

/** What is known of a Consumer's spec. It is a node's, checked by the same schema. */
export function consumerSpec({ spec }: DefinitionAnswer): ConsumerSpec {
  return spec ?? {}
}

/**
 * Changes a Consumer from how it stands, guarded, and again when somebody wrote in between. Secrets in it are what a
 * node shows, and stand for what is stored.
 */
export async function editConsumer(
  context: Context,
  name: string,
  edit: { readonly change: (spec: ConsumerSpec) => ConsumerSpec; readonly args: WaitArguments },
): Promise<Written> {
  for (let round = 1; ; round++) {
    const standing = await readConsumer(context.client, name)
    const { labels, revision } = standing
    const spec = edit.change(consumerSpec(standing))
    try {
      return await writeAndWait(
        context,
        {
          method: 'PUT',
          path: definitionPath('Consumer', name),
          body: labels === undefined ? { spec } : { labels, spec },
          headers: { 'if-match': `"${revision}"` },
          schema: writtenAnswer,
        },
        edit.args,
      )
    } catch (error) {
      const isConflict = error instanceof ApiProblem && error.code === 'REVISION_CONFLICT'
      if (!isConflict || round >= CLIENT_ROUNDS_MAX) throw error
    }
  }
}
