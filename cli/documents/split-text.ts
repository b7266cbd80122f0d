import { LineCounter, parseAllDocuments } from 'yaml'
import { describeError } from '../../shared/errors.ts'
import { findJsonFault } from '../../shared/json-fault.ts'
import { withoutSource } from '../../shared/yaml-message.ts'
import type { PlacedIssue } from '../failures.ts'
import { placeAt, positionsIn } from './positions.ts'
import type { InputText } from './read-files.ts'

/** One value that ought to be a definition, and the way to say where in its file a part of it stands. */
export type Candidate = {
  readonly value: unknown
  /** `file:line:column` of the part at a dotted path; the empty path is the value itself. */
  readonly place: (path: string) => string
}

export type SplitText = {
  readonly candidates: readonly Candidate[]
  readonly issues: readonly PlacedIssue[]
}

/**
 * Takes one input text apart into candidates: YAML documents or one JSON value, of which arrays, `{definitions: […]}`
 * (an export) and `{items: […]}` (a list) stand for their elements. Documents without content are skipped.
 */
export function splitText(input: InputText): SplitText {
  return looksLikeJson(input) ? splitJson(input) : splitYaml(input)
}

/** By its name, or, on standard input, by its first character. */
function looksLikeJson({ file, text }: InputText): boolean {
  return /\.json$/i.test(file) || (file === '<stdin>' && /^\s*[[{]/.test(text) && isJson(text))
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function splitJson({ file, text }: InputText): SplitText {
  const lines = new LineCounter()
  lines.addNewLine(0)
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1))
    lines.addNewLine(at + 1)
  const issue = (offset: number, message: string): SplitText => ({
    candidates: [],
    issues: [{ place: placeAt(file, offset, lines), path: '', message }],
  })
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    const fault = findJsonFault(text)
    return issue(fault?.at ?? 0, fault?.message ?? describeError(error))
  }
  // `JSON.parse` keeps the last of two members with one name, and says nothing.
  const fault = findJsonFault(text)
  if (fault !== null) return issue(fault.at, fault.message)
  const positions = positionsIn(file, text)
  return { candidates: spread(value, (path) => positions.placeOf(0, path)), issues: [] }
}

function splitYaml({ file, text }: InputText): SplitText {
  const lines = new LineCounter()
  const documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false })
  const positions = positionsIn(file, text)
  const candidates: Candidate[] = []
  const issues: PlacedIssue[] = []
  documents.forEach((document, at) => {
    for (const { message, pos } of document.errors) {
      issues.push({
        place: placeAt(file, pos[0], lines),
        path: '',
        message: withoutSource(message),
      })
    }
    if (document.errors.length > 0) return
    try {
      const value: unknown = document.toJS()
      candidates.push(...spread(value, (path) => positions.placeOf(at, path)))
    } catch (error) {
      // An alias without its anchor, or aliases that unfold beyond reason.
      const place = placeAt(file, document.range[0], lines)
      issues.push({ place, path: '', message: withoutSource(describeError(error)) })
    }
  })
  return { candidates, issues }
}

type PlaceOf = (path: readonly string[]) => string

function spread(value: unknown, placeOf: PlaceOf, below: readonly string[] = []): Candidate[] {
  if (value === null || value === undefined) return []
  if (Array.isArray(value)) {
    return value.flatMap((element, at) => spread(element, placeOf, [...below, String(at)]))
  }
  const members = (typeof value === 'object' ? value : {}) as Readonly<Record<string, unknown>>
  for (const member of ['definitions', 'items']) {
    const list = members[member]
    if (Array.isArray(list) && members['kind'] === undefined) {
      return spread(list, placeOf, [...below, member])
    }
  }
  const place = (path: string): string =>
    placeOf(path === '' ? below : [...below, ...path.split('.')])
  return [{ value, place }]
}
