import type { Request, Response } from 'express'
import { definitionKey } from '../../shared/changes.ts'
import { KIND_NAMES, kindOf, type Definition, type Kind } from '../../shared/definitions/kinds.ts'
import { NAME_CHARS_MAX, PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX } from '../../shared/limits.ts'
import type { Need } from '../access/rights.ts'
import type { HistoryRecord, Origin } from '../ports.ts'
import { sendAnswer, streamAnswer } from './answer.ts'
import type { Call } from './calls.ts'
import type { ApiContext } from './context.ts'
import { Envelope } from './envelope.ts'
import { Query, type IntegerRange } from './query.ts'
import { CONSISTENCY, readPoint, readsStale } from './reads.ts'
import { kindFilter, shownTo } from './shown.ts'
import { manyWritten } from './transactions.ts'
import type { WritePlan } from './carry-out-write.ts'
import { runWrite } from './writes.ts'

/** Who wrote what and when, what differs between two revisions, and the way back. */
export function historyCalls(api: ApiContext): Call[] {
  return [
    {
      path: '/v1/history',
      methods: {
        get: {
          need: needOfHistory,
          handle: (request, response) => getHistory(api, request, response),
        },
      },
    },
    {
      path: '/v1/diff',
      methods: {
        get: {
          need: { right: 'read' },
          handle: (request, response) => getDiff(api, request, response),
        },
      },
    },
    {
      path: '/v1/rollback',
      methods: {
        post: {
          need: { right: 'replace' },
          handle: (request, response) => runWrite(api, request, response, planRollback),
        },
      },
    },
  ]
}

const REVISION: IntegerRange = { min: 0, max: Number.MAX_SAFE_INTEGER }

/** Where everybody is local, the origin says nothing. */
function isThisMachine({ caller, address }: Origin): boolean {
  return caller === 'local' && (address.startsWith('127.') || address === '::1')
}

/** Of one kind the right is asked for that kind. */
function needOfHistory(request: Request): Need {
  const text = new URLSearchParams(request.url.replace(/^[^?]*/, '')).get('kind')
  const kind = text === null ? null : kindOf(text)
  return kind === null ? { right: 'read' } : { right: 'read', kind }
}

async function getHistory(api: ApiContext, request: Request, response: Response): Promise<void> {
  const query = new Query(request.url, ['kind', 'name', 'limit', 'before', CONSISTENCY])
  const kind = readKind(query)
  const name = query.text('name', NAME_CHARS_MAX)
  if (name !== undefined && kind === undefined) query.issue('name', 'needs kind beside it')
  const limit = query.integer('limit', { min: 1, max: PAGE_ITEMS_MAX }) ?? PAGE_ITEMS_DEFAULT
  const before = query.integer('before', REVISION)
  const isStale = readsStale(query)
  query.finish()
  await readPoint(api, isStale)
  const { revision } = api.plane.state
  const records = await api.plane.state.historyOf({
    ...(kind === undefined ? {} : { kind }),
    ...(name === undefined ? {} : { name }),
    ...(before === undefined ? {} : { before }),
    limit: limit + 1,
  })
  const shown = records.slice(0, limit)
  const sees = kindFilter(api, request)
  const cursor = records.length > limit ? (shown.at(-1)?.revision ?? null) : null
  sendAnswer(response, {
    status: 200,
    revision,
    body: { items: shown.map((record) => historyItem(record, sees)), cursor },
  })
}

async function getDiff(api: ApiContext, request: Request, response: Response): Promise<void> {
  const query = new Query(request.url, ['from', 'to', CONSISTENCY])
  const from = query.integer('from', REVISION)
  if (from === undefined && query.text('from') === undefined) query.issue('from', 'is required')
  const wantedTo = query.integer('to', REVISION)
  const isStale = readsStale(query)
  query.finish()
  await readPoint(api, isStale)
  const { revision } = api.plane.state
  const to = wantedTo ?? revision
  const before = shownTo(api, request, await configAt(api, from ?? 0))
  const after = shownTo(api, request, await configAt(api, to))
  await streamAnswer(response, {
    revision,
    head: { from, to },
    member: 'changes',
    items: differences(before, after),
  })
}

function planRollback(body: unknown): WritePlan {
  const envelope = new Envelope(body, ['revision', 'message', 'ifConfigRevision'])
  const revision = envelope.requiredRevision('revision')
  const message = envelope.message()
  const ifConfigRevision = envelope.revision('ifConfigRevision')
  envelope.finish('INVALID_REQUEST')
  return {
    action: { type: 'rollback', revision },
    message,
    ifConfigRevision,
    answer: manyWritten,
  }
}

function readKind(query: Query): Kind | undefined {
  const text = query.text('kind')
  if (text === undefined) return undefined
  const kind = kindOf(text)
  if (kind === null) query.issue('kind', `must be one of ${KIND_NAMES.join(', ')}`)
  return kind ?? undefined
}

function historyItem(record: HistoryRecord, sees: (kind: Kind) => boolean): object {
  const { revision, atMs, author, origin, message, changes } = record
  return {
    revision,
    at: new Date(atMs).toISOString(),
    author,
    ...(origin === undefined || isThisMachine(origin) ? {} : { origin }),
    message,
    changes: changes
      .filter(({ kind }) => sees(kind))
      .map(({ op, kind, name }) => ({ op, kind, name })),
  }
}

async function configAt(api: ApiContext, revision: number): Promise<Definition[]> {
  const { state } = api.plane
  return revision === state.revision ? state.list() : state.configAt(revision)
}

type Difference = {
  readonly op: 'added' | 'changed' | 'removed'
  readonly kind: Kind
  readonly name: string
  readonly before?: Definition
  readonly after?: Definition
}

/** What differs in content: a definition that was written again as it was is no difference. */
function differences(before: readonly Definition[], after: readonly Definition[]): Difference[] {
  const found: Difference[] = []
  const old = new Map(before.map((each) => [definitionKey(each.kind, each.name), each]))
  for (const definition of after) {
    const { kind, name } = definition
    const key = definitionKey(kind, name)
    const was = old.get(key)
    old.delete(key)
    if (was === undefined) found.push({ op: 'added', kind, name, after: definition })
    else if (!isSame(was, definition)) {
      found.push({ op: 'changed', kind, name, before: was, after: definition })
    }
  }
  for (const definition of old.values()) {
    const { kind, name } = definition
    found.push({ op: 'removed', kind, name, before: definition })
  }
  return found.sort((a, b) => compare(definitionKey(a.kind, a.name), definitionKey(b.kind, b.name)))
}

function isSame(a: Definition, b: Definition): boolean {
  if (a.revision === b.revision && a.createdRevision === b.createdRevision) return true
  return (
    JSON.stringify(a.spec) === JSON.stringify(b.spec) &&
    JSON.stringify(a.labels ?? {}) === JSON.stringify(b.labels ?? {})
  )
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b)
}
