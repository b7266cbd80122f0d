import type { ErrorFormat } from '../../shared/error-template.ts'
import { queryValues } from '../../shared/routing/query-parameters.ts'

/** The form of an error and its media type. */
export type ChosenFormat = { readonly format: ErrorFormat; readonly type: string }

type Media = ChosenFormat & { readonly range: string }

const JSON_FORMAT: Media = { format: 'json', type: 'application/json', range: 'application/*' }

/** What there is, in the order in which a wildcard takes it. */
const MEDIA: readonly Media[] = [
  JSON_FORMAT,
  { format: 'xml', type: 'application/xml', range: 'application/*' },
  { format: 'xml', type: 'text/xml', range: 'text/*' },
  { format: 'csv', type: 'text/csv', range: 'text/*' },
  { format: 'html', type: 'text/html', range: 'text/*' },
]

/**
 * The form that a request asks for: by the extension of its path, else by `?format=` (the first, if it is repeated), else by
 * Accept, else JSON.
 */
export function formatOf(path: string, query: string, accept: string | undefined): ChosenFormat {
  const byPath = named(extensionOf(path))
  if (byPath !== undefined) return byPath
  if (query.includes('format')) {
    const [format] = queryValues(query, 'format')
    const byQuery = format === undefined ? undefined : named(format)
    if (byQuery !== undefined) return byQuery
  }
  if (accept === undefined || accept === '*/*') return JSON_FORMAT
  return accepted(accept) ?? JSON_FORMAT
}

function named(format: string): Media | undefined {
  return MEDIA.find((media) => media.format === format)
}

/** What follows the last dot of the last segment; empty when there is none. */
function extensionOf(path: string): string {
  const dot = path.lastIndexOf('.')
  return dot < 0 || path.includes('/', dot) ? '' : path.slice(dot + 1)
}

/** The first of the ranges with the highest weight that there is something for (RFC 9110 12.5.1). */
function accepted(accept: string): Media | null {
  let best: Media | null = null
  let bestWeight = 0
  for (const item of accept.split(',')) {
    const [range = '', ...parameters] = item.split(';')
    const weight = weightOf(parameters)
    if (weight <= bestWeight) continue
    const media = mediaOf(range.trim().toLowerCase())
    if (media === undefined) continue
    best = media
    bestWeight = weight
  }
  return best
}

function mediaOf(range: string): Media | undefined {
  if (range === '*/*') return JSON_FORMAT
  return MEDIA.find((media) => media.type === range) ?? MEDIA.find((media) => media.range === range)
}

/** 1 where nothing is said, or nothing that is a weight. */
function weightOf(parameters: readonly string[]): number {
  for (const parameter of parameters) {
    const weight = /^\s*q\s*=\s*([0-9.]+)\s*$/i.exec(parameter)?.[1]
    if (weight !== undefined) return Number.isNaN(Number(weight)) ? 1 : Math.min(1, Number(weight))
  }
  return 1
}
