import { unreachable } from '../assert.ts'
import type { KeySourceSpec } from '../definitions/key-source.ts'
import { queryValues } from './query-parameters.ts'
import type { KeySource, RequestView } from './types.ts'

/** A key source ready to be used; null for the address of the client, which every request has. */
export function compileKeySource(spec: KeySourceSpec | undefined): KeySource | null {
  if (spec?.header !== undefined) return { type: 'header', name: spec.header.toLowerCase() }
  if (spec?.cookie !== undefined) return { type: 'cookie', name: spec.cookie }
  if (spec?.query !== undefined) return { type: 'query', name: spec.query }
  return spec?.path === undefined ? null : { type: 'path', name: '' }
}

/** What of a request decides; undefined when it does not have it. */
export function keyOf(source: KeySource, request: RequestView): string | undefined {
  switch (source.type) {
    case 'header':
      return request.header(source.name)
    case 'cookie':
      return cookieValue(request.header('cookie'), source.name)
    case 'query':
      return queryValues(request.query, source.name)[0]
    case 'path':
      return request.path
    default:
      return unreachable(source.type)
  }
}

/** The value of one cookie, the first of that name (RFC 6265 5.4); undefined when there is none. */
export function cookieValue(header: string | undefined, name: string): string | undefined {
  if (header === undefined) return undefined
  let from = 0
  for (;;) {
    const at: number = header.indexOf(name, from)
    if (at < 0) return undefined
    const end = at + name.length
    from = end
    if (header[end] !== '=' || !beginsPair(header, at)) continue
    // Several fields are joined by a comma, which is in no name and no value.
    let stop = end + 1
    while (stop < header.length && header[stop] !== ';' && header[stop] !== ',') stop += 1
    return header.slice(end + 1, stop).trim()
  }
}

function beginsPair(header: string, at: number): boolean {
  let before = at - 1
  while (before >= 0 && header[before] === ' ') before -= 1
  return before < 0 || header[before] === ';' || header[before] === ','
}
