import type { Request, Response } from 'express'
import type { DefinitionInput } from '../../shared/definitions/kinds.ts'
import { OPERATIONS_PER_TRANSACTION_MAX } from '../../shared/limits.ts'
import { streamAnswer } from './answer.ts'
import type { Call } from './calls.ts'
import type { ApiContext } from './context.ts'
import { Envelope } from './envelope.ts'
import { Query } from './query.ts'
import { CONSISTENCY, readPoint, readsStale } from './reads.ts'
import { sealAll } from './sealing.ts'
import { shownTo } from './shown.ts'
import { inSlices, manyWritten, takeDefinition } from './transactions.ts'
import type { WritePlan } from './carry-out-write.ts'
import { runWrite } from './writes.ts'

/** `GET /v1/config`: every definition at a revision. `PUT /v1/config`: replace all of them at once. */
export function configCalls(api: ApiContext): Call[] {
  return [
    {
      path: '/v1/config',
      methods: {
        get: {
          need: { right: 'read' },
          handle: (request, response) => getConfig(api, request, response),
        },
        put: {
          need: { right: 'replace' },
          handle: (request, response) =>
            runWrite(api, request, response, (body) => planReplacement(api, body)),
        },
      },
    },
  ]
}

async function getConfig(api: ApiContext, request: Request, response: Response): Promise<void> {
  const query = new Query(request.url, ['revision', CONSISTENCY])
  const wanted = query.integer('revision', { min: 0, max: Number.MAX_SAFE_INTEGER })
  const isStale = readsStale(query)
  query.finish()
  await readPoint(api, isStale)
  const { state } = api.plane
  const { revision, hash } = state
  const isCurrent = wanted === undefined || wanted === revision
  const definitions = isCurrent ? state.list() : await state.configAt(wanted)
  const items = shownTo(api, request, definitions)
  const head = isCurrent ? { revision, hash } : { revision: wanted }
  await streamAnswer(response, { revision: head.revision, head, member: 'definitions', items })
}

/** What `GET /v1/config` answers can be put back as it is, so its further members are known here. */
const REPLACEMENT_MEMBERS = ['definitions', 'message', 'ifConfigRevision', 'revision', 'hash']

async function planReplacement(api: ApiContext, body: unknown): Promise<WritePlan> {
  const envelope = new Envelope(body, REPLACEMENT_MEMBERS)
  const range = { min: 0, max: OPERATIONS_PER_TRANSACTION_MAX }
  const given = envelope.array('definitions', range)
  const message = envelope.message()
  const ifConfigRevision = envelope.revision('ifConfigRevision')
  const definitions: DefinitionInput[] = []
  await inSlices(given, (input, at) => {
    const definition = takeDefinition(envelope, input, `definitions.${at}`)
    if (definition !== null) definitions.push(definition)
  })
  envelope.finish('INVALID_DEFINITION')
  const sealed = await sealAll(api, definitions, (at) => `definitions.${at}`)
  return {
    action: { type: 'replace', definitions: sealed },
    message,
    ifConfigRevision,
    answer: manyWritten,
  }
}
