import { RaftwayError, type Issue } from '../../shared/errors.ts'
import { mayHoldSecrets, resealDefinition } from '../access/seal-definition.ts'
import type { Operation } from '../ports.ts'
import type { Call } from './calls.ts'
import type { WritePlan } from './carry-out-write.ts'
import type { ApiContext } from './context.ts'
import { Envelope } from './envelope.ts'
import { placed, sealingFailed } from './sealing.ts'
import { runWrite } from './writes.ts'

/** `POST /v1/reseal`: every secret under the newest key, as one revision. */
export function resealCalls(api: ApiContext): Call[] {
  return [
    {
      path: '/v1/reseal',
      methods: {
        post: {
          need: { right: 'operate' },
          handle: (request, response) =>
            runWrite(api, request, response, (body) => planReseal(api, body)),
        },
      },
    },
  ]
}

async function planReseal(api: ApiContext, body: unknown): Promise<WritePlan> {
  const envelope = new Envelope(body, ['message'])
  const message = envelope.message()
  envelope.finish('INVALID_REQUEST')
  const [newest] = api.sealKeys
  if (newest === undefined) {
    throw new RaftwayError('SEAL_KEY_MISSING', 'This node was started without --seal-key.')
  }
  await api.plane.readBarrier(api.bounds.catchUpMs)
  const operations: Operation[] = []
  const issues: Issue[] = []
  let isKeyMissing = false
  for (const definition of api.plane.state.list()) {
    const result = mayHoldSecrets(definition) ? resealDefinition(definition, api.sealKeys) : null
    if (result === null) continue
    if (result.ok) {
      // What somebody writes meanwhile is not undone: the whole is refused, and can be asked for again.
      const ifRevision = definition.revision
      operations.push({ op: 'put', definition: result.definition, ifRevision })
      continue
    }
    isKeyMissing ||= result.isKeyMissing
    issues.push(...placed(result, `${definition.kind}/${definition.name}`))
  }
  if (issues.length > 0) throw sealingFailed(issues, isKeyMissing)
  return {
    action: { type: 'operations', operations },
    message: message ?? `secrets sealed with key ${newest.id}`,
    ifConfigRevision: null,
    answer(written) {
      const { revision, results, unchanged } = written
      const body = { revision, results, unchanged, keyId: newest.id }
      return { status: 200, revision, body }
    },
  }
}
