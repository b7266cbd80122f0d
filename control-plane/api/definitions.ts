import { KIND_NAMES, KINDS, type Definition, type Kind } from '../../shared/definitions/kinds.ts'
import { parseDefinition, withRevision } from '../../shared/definitions/parse.ts'
import { redact } from '../../shared/definitions/redact.ts'
import { RaftwayError } from '../../shared/errors.ts'
import {
  LABEL_FILTERS_MAX,
  NAME_CHARS_MAX,
  PAGE_ITEMS_DEFAULT,
  PAGE_ITEMS_MAX,
} from '../../shared/limits.ts'
import type { OperationResult } from '../ports.ts'
import { sendAnswer, type Answer } from './answer.ts'
import { pathName, type Call, type HotCall } from './calls.ts'
import type { ApiContext } from './context.ts'
import type { ApiRequest, ApiResponse } from './exchange.ts'
import { Query } from './query.ts'
import { CONSISTENCY, readPoint, readsStale } from './reads.ts'
import { readGuard, type Guard } from './write-options.ts'
import type { WritePlan } from './carry-out-write.ts'
import { sealAll } from './sealing.ts'
import { runWrite } from './writes.ts'

/** `/v1/apis/{name}` and the same for every other kind. */
export function definitionCalls(api: ApiContext): HotCall[] {
  return KIND_NAMES.map((kind) => ({
    path: `/v1/${KINDS[kind].plural}/{name}`,
    methods: {
      get: {
        need: { right: 'read', kind },
        handle: (request, response) => getDefinition(api, kind, request, response),
      },
      put: {
        need: { right: 'write', kind },
        handle: (request, response) => putDefinition(api, kind, request, response),
      },
      delete: {
        need: { right: 'write', kind },
        handle: (request, response) => deleteDefinition(api, kind, request, response),
      },
    },
  }))
}

/** `/v1/apis` and the same for every other kind. */
export function collectionCalls(api: ApiContext): Call[] {
  return KIND_NAMES.map((kind) => ({
    path: `/v1/${KINDS[kind].plural}`,
    methods: {
      get: {
        need: { right: 'read', kind },
        handle: (request, response) => listDefinitions(api, kind, request, response),
      },
    },
  }))
}

/** The strong validator of a definition: its own revision. */
function entityTag(definition: Definition): string {
  return `"${definition.revision}"`
}

function putDefinition(
  api: ApiContext,
  kind: Kind,
  request: ApiRequest,
  response: ApiResponse,
): Promise<void> {
  const name = pathName(request)
  const guard = readGuard(request)
  return runWrite(api, request, response, async (body): Promise<WritePlan> => {
    const parsed = parseDefinition(namedBody(body, kind, name))
    if (!parsed.ok) {
      const detail = `${kind} ${name} is not valid; nothing was changed.`
      throw new RaftwayError('INVALID_DEFINITION', detail, { issues: parsed.issues })
    }
    const [definition = parsed.value] = await sealAll(api, [parsed.value], () => '')
    const ifRevision = await revisionOf(api, guard, kind, name)
    return {
      action: { type: 'operations', operations: [{ op: 'put', definition, ifRevision }] },
      message: null,
      ifConfigRevision: null,
      hiddenPath: 'operations.0',
      async answer({ results }): Promise<Answer> {
        const [result] = results
        if (result === undefined) throw new RaftwayError('INTERNAL', 'A write gave no result.')
        const createdRevision = await createdAt(api, result)
        const numbers = { revision: result.revision, createdRevision }
        const written = withRevision(definition, numbers)
        return {
          status: result.created ? 201 : 200,
          revision: result.revision,
          body: redact(written),
          headers: { ETag: entityTag(written) },
        }
      },
    }
  })
}

function deleteDefinition(
  api: ApiContext,
  kind: Kind,
  request: ApiRequest,
  response: ApiResponse,
): Promise<void> {
  const name = pathName(request)
  const guard = readGuard(request)
  if (guard === 'absent') {
    const issues = [{ path: 'If-None-Match', message: 'has no meaning on a delete' }]
    throw new RaftwayError('INVALID_REQUEST', 'If-None-Match has no meaning on a delete.', {
      issues,
    })
  }
  return runWrite(api, request, response, async (body): Promise<WritePlan> => {
    if (body !== undefined) {
      throw new RaftwayError('INVALID_REQUEST', 'A delete takes no body.', {
        issues: [{ path: '', message: 'a delete takes no body' }],
      })
    }
    const ifRevision = await revisionOf(api, guard, kind, name)
    return {
      action: { type: 'operations', operations: [{ op: 'delete', kind, name, ifRevision }] },
      message: null,
      ifConfigRevision: null,
      hiddenPath: 'operations.0',
      answer: ({ revision }) => ({ status: 200, revision, body: { kind, name, revision } }),
    }
  })
}

async function getDefinition(
  api: ApiContext,
  kind: Kind,
  request: ApiRequest,
  response: ApiResponse,
): Promise<void> {
  const name = pathName(request)
  const query = new Query(request.url, [CONSISTENCY])
  const isStale = readsStale(query)
  query.finish()
  await readPoint(api, isStale)
  const { revision } = api.plane.state
  const definition = api.plane.state.get(kind, name)
  if (definition === undefined) {
    throw new RaftwayError('DEFINITION_NOT_FOUND', `There is no ${kind} named ${name}.`)
  }
  const tag = entityTag(definition)
  if (matchesTag(request.headers['if-none-match'], tag)) {
    response.setHeader('Raftway-Revision', revision)
    response.setHeader('ETag', tag)
    response.statusCode = 304
    response.end()
    return
  }
  sendAnswer(response, {
    status: 200,
    revision,
    body: redact(definition),
    headers: { ETag: tag },
  })
}

async function listDefinitions(
  api: ApiContext,
  kind: Kind,
  request: ApiRequest,
  response: ApiResponse,
): Promise<void> {
  const filters = kind === 'Consumer' ? ['plan', 'enabled'] : []
  const query = new Query(request.url, ['limit', 'cursor', 'label', CONSISTENCY, ...filters])
  const limit = query.integer('limit', { min: 1, max: PAGE_ITEMS_MAX }) ?? PAGE_ITEMS_DEFAULT
  const after = readCursor(query)
  const labels = query.all('label', LABEL_FILTERS_MAX).map(parseLabel)
  const fits = consumerFilter(query)
  const isStale = readsStale(query)
  query.finish()
  await readPoint(api, isStale)
  const { revision } = api.plane.state
  const found: Definition[] = []
  for (const definition of api.plane.state.list(kind)) {
    if (after !== null && definition.name <= after) continue
    if (!hasLabels(definition, labels) || !fits(definition)) continue
    found.push(definition)
    if (found.length > limit) break
  }
  const items = found.slice(0, limit)
  const last = items.at(-1)
  const cursor = found.length > limit && last !== undefined ? cursorAfter(last.name) : null
  sendAnswer(response, { status: 200, revision, body: { items: items.map(redact), cursor } })
}

/** Consumers who have a plan, and who are enabled or not; whatever is not asked for fits. */
function consumerFilter(query: Query): (definition: Definition) => boolean {
  const plan = query.text('plan', NAME_CHARS_MAX)
  const enabled = query.oneOf('enabled', ['true', 'false'])
  if (plan === undefined && enabled === undefined) return () => true
  return (definition) =>
    definition.kind === 'Consumer' &&
    (plan === undefined || definition.spec.plans?.includes(plan) === true) &&
    (enabled === undefined || String(definition.spec.enabled ?? true) === enabled)
}

/** The body as a whole definition; kind and name are the path's, and may only be repeated. */
function namedBody(body: unknown, kind: Kind, name: string): unknown {
  if (body === null || typeof body !== 'object' || Array.isArray(body)) {
    const issues = [{ path: '', message: 'must be an object with spec, and labels if any' }]
    throw new RaftwayError('INVALID_DEFINITION', 'The body must be an object.', { issues })
  }
  const given = body as Readonly<Record<string, unknown>>
  const issues = []
  for (const [member, value] of [
    ['kind', kind],
    ['name', name],
  ] as const) {
    if (given[member] === undefined || given[member] === value) continue
    issues.push({ path: member, message: `must be "${value}", as in the path, or left out` })
  }
  if (issues.length > 0) {
    throw new RaftwayError('INVALID_DEFINITION', 'The body names another definition.', { issues })
  }
  return { ...given, kind, name }
}

/**
 * The revision that a command carries for a guard. `present` is decided here: a definition that is deleted between
 * this look and the commit is created anew.
 */
async function revisionOf(
  api: ApiContext,
  guard: Guard,
  kind: Kind,
  name: string,
): Promise<number | null> {
  if (guard === 'absent') return 0
  if (guard !== 'present') return guard
  if (api.plane.state.get(kind, name) !== undefined) return null
  // Another leader may have made it without the knowledge of this one.
  await api.plane.readBarrier(api.bounds.catchUpMs)
  if (api.plane.state.get(kind, name) !== undefined) return null
  throw new RaftwayError('REVISION_CONFLICT', `There is no ${kind} named ${name}.`, {
    extra: { currentRevision: 0 },
  })
}

/** Which revision made the definition that a put wrote: later writes may have passed it already. */
async function createdAt(api: ApiContext, result: OperationResult): Promise<number> {
  const { revision, kind, name, created } = result
  if (created) return revision
  const { state } = api.plane
  const current = state.get(kind, name)
  if (current !== undefined && current.createdRevision <= revision) return current.createdRevision
  if (revision <= state.compactedRevision) return revision
  const [record] = await state.history({ after: revision - 1, upTo: revision, limit: 1 })
  const change = record?.changes.find((each) => each.kind === kind && each.name === name)
  return change?.after?.createdRevision ?? revision
}

function matchesTag(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false
  if (header.trim() === '*') return true
  return header.split(',').some((each) => each.trim().replace(/^W\//, '') === tag)
}

type LabelFilter = { readonly key: string; readonly value: string | null }

function parseLabel(text: string): LabelFilter {
  const at = text.indexOf('=')
  if (at === -1) return { key: text, value: null }
  return { key: text.slice(0, at), value: text.slice(at + 1) }
}

function hasLabels(definition: Definition, filters: readonly LabelFilter[]): boolean {
  if (filters.length === 0) return true
  const labels = definition.labels ?? {}
  return filters.every(({ key, value }) => {
    if (!Object.hasOwn(labels, key)) return false
    return value === null || labels[key] === value
  })
}

function cursorAfter(name: string): string {
  return Buffer.from(`after:${name}`).toString('base64url')
}

function readCursor(query: Query): string | null {
  const text = query.text('cursor')
  if (text === undefined) return null
  const plain = Buffer.from(text, 'base64url').toString()
  if (plain.startsWith('after:') && cursorAfter(plain.slice(6)) === text) return plain.slice(6)
  query.issue('cursor', 'must be the cursor of an earlier answer')
  return null
}
