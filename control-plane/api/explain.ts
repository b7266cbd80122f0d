import type { Request, Response } from 'express'
import { EXPLAIN_HEADERS_MAX, TARGET_LINE_BYTES_MAX } from '../../shared/limits.ts'
import { readStreamUrl, type StreamExplanation } from '../../shared/routing/explain-stream.ts'
import type { Explanation, RequestView } from '../../shared/routing/types.ts'
import { sendAnswer } from './answer.ts'
import type { Call } from './calls.ts'
import type { ApiContext } from './context.ts'
import { Query } from './query.ts'
import { CONSISTENCY, readPoint, readsStale } from './reads.ts'

/** `GET /v1/explain`: which route a request, or which Stream a connection, would take, and why the next candidates lost. */
export function explainCalls(api: ApiContext): Call[] {
  return [
    {
      path: '/v1/explain',
      methods: {
        get: {
          need: { right: 'read', kind: 'Api' },
          handle: (request, response) => explain(api, request, response),
        },
      },
    },
  ]
}

async function explain(api: ApiContext, request: Request, response: Response): Promise<void> {
  const query = new Query(request.url, ['method', 'url', 'header', CONSISTENCY])
  const decide = readQuestion(query)
  const isStale = readsStale(query)
  query.finish()
  await readPoint(api, isStale)
  const { state } = api.plane
  const { revision } = state
  const { matched, candidates } = decide(state)
  sendAnswer(response, { status: 200, revision, body: { revision, matched, candidates } })
}

type Decide = (
  state: ApiContext['plane']['state'],
) => Pick<Explanation | StreamExplanation, 'matched' | 'candidates'>

function readQuestion(query: Query): Decide {
  const question = readStreamUrl(query.text('url', TARGET_LINE_BYTES_MAX) ?? '')
  if (question === null) {
    const view = readView(query)
    return (state) => state.explain(view)
  }
  // Connections have neither.
  query.text('method')
  query.all('header', EXPLAIN_HEADERS_MAX)
  return (state) => state.explainStream(question)
}

/** Scheme and authority, path, query, fragment; the path is kept as it was written. */
const URL_PARTS = /^(?:https?:\/\/([^/?#]*))?(\/[^?#]*)?(?:\?([^#]*))?(?:#.*)?$/i

function readView(query: Query): RequestView {
  const method = query.text('method') ?? 'GET'
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}$/.test(method)) query.issue('method', 'must be a method')
  const url = query.text('url', TARGET_LINE_BYTES_MAX)
  const parts = URL_PARTS.exec(url ?? '')
  if (url === undefined) query.issue('url', 'is required')
  else if (parts === null || url === '') {
    query.issue(
      'url',
      'must be http://host/path, a path that begins with "/", tls://name:port or tcp://host:port',
    )
  }
  const headers = readHeaders(query)
  const authority = parts?.[1]?.replace(/^.*@/, '') ?? headers.get('host') ?? ''
  if (!headers.has('host') && authority !== '') headers.set('host', authority)
  return {
    method: method.toUpperCase(),
    host: authority.toLowerCase().replace(/:\d*$/, ''),
    path: parts?.[2] ?? '/',
    query: parts?.[3] ?? '',
    header: (name) => headers.get(name),
  }
}

function readHeaders(query: Query): Map<string, string> {
  const headers = new Map<string, string>()
  for (const line of query.all('header', EXPLAIN_HEADERS_MAX)) {
    const at = line.indexOf(':')
    const name = line.slice(0, at).trim().toLowerCase()
    if (at < 1 || name === '') {
      query.issue('header', `must be "name: value", not ${JSON.stringify(line)}`)
      continue
    }
    const value = line.slice(at + 1).trim()
    const earlier = headers.get(name)
    headers.set(name, earlier === undefined ? value : `${earlier}, ${value}`)
  }
  return headers
}
