import { isUtf8 } from 'node:buffer'
import { LineCounter, parseDocument } from 'yaml'
import { describeError, RaftwayError, type Issue } from '../../shared/errors.ts'
import { BODY_DEPTH_MAX, ISSUES_MAX, YAML_BODY_BYTES_MAX } from '../../shared/limits.ts'
import { withoutSource } from '../../shared/yaml-message.ts'
import { findJsonFault } from '../../shared/json-fault.ts'

export type BodySyntax = 'json' | 'yaml'

/**
 * The value that a body's bytes stand for; undefined for an empty body. MALFORMED_BODY with line and column, also for
 * bytes that are not UTF-8, for a member that comes twice and for nesting deeper than BODY_DEPTH_MAX.
 */
export function parseBody(bytes: Buffer, syntax: BodySyntax): unknown {
  if (!isUtf8(bytes)) throw new RaftwayError('MALFORMED_BODY', 'The body is not UTF-8.')
  const text = bytes.toString('utf8').replace(/^\uFEFF/, '')
  if (text.trim() === '') return undefined
  return syntax === 'json' ? parseJson(text) : parseYaml(text, bytes.length)
}

function parseJson(text: string): unknown {
  const shape = measure(text)
  if (shape.depth > BODY_DEPTH_MAX) throw tooDeep()
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw malformedJson(text, describeError(error))
  }
  // JSON.parse keeps the last of two members of one name. Counting both sides finds that out for the price of a
  // glance; only then is it looked for.
  if (countMembers(value) !== shape.members) throw malformedJson(text, 'a member comes twice')
  return value
}

type JsonShape = { readonly depth: number; readonly members: number }

/** Nesting and number of members of a JSON text, whether it is well-formed or not. */
function measure(text: string): JsonShape {
  let depth = 0
  let deepest = 0
  let members = 0
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case 0x22:
        at = endOfString(text, at)
        break
      case 0x3a:
        members++
        break
      case 0x5b:
      case 0x7b:
        depth++
        if (depth > deepest) deepest = depth
        break
      case 0x5d:
      case 0x7d:
        depth--
        break
      default:
    }
  }
  return { depth: deepest, members }
}

function endOfString(text: string, start: number): number {
  let at = start + 1
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 0x22) return at
    if (code === 0x5c) at++
  }
  return at
}

function countMembers(value: unknown): number {
  if (value === null || typeof value !== 'object') return 0
  let count = 0
  if (Array.isArray(value)) {
    for (const element of value) count += countMembers(element)
    return count
  }
  for (const member of Object.values(value)) count += 1 + countMembers(member)
  return count
}

function malformedJson(text: string, otherwise: string): RaftwayError {
  const fault = findJsonFault(text) ?? { at: 0, message: otherwise }
  const before = text.slice(0, fault.at)
  const line = before.split('\n').length
  const column = fault.at - before.lastIndexOf('\n')
  return malformed([{ line, column, message: fault.message }])
}

function parseYaml(text: string, bytes: number): unknown {
  if (bytes > YAML_BODY_BYTES_MAX) {
    const detail = `A YAML body may have ${YAML_BODY_BYTES_MAX} bytes (YAML_BODY_BYTES_MAX); send JSON for more.`
    throw new RaftwayError('BODY_TOO_LARGE', detail)
  }
  const lineCounter = new LineCounter()
  try {
    const document = parseDocument(text, { lineCounter, prettyErrors: false, version: '1.2' })
    if (document.errors.length > 0) {
      throw malformed(
        document.errors.slice(0, ISSUES_MAX).map((error) => {
          const { line, col } = lineCounter.linePos(error.pos[0])
          return { line, column: col, message: withoutSource(error.message) }
        }),
      )
    }
    const value: unknown = document.toJS({ maxAliasCount: BODY_DEPTH_MAX })
    if (depthOf(value, 0) > BODY_DEPTH_MAX) throw tooDeep()
    return value
  } catch (error) {
    if (error instanceof RaftwayError) throw error
    // An alias without an anchor or too many of them, and nesting that exhausts the parser's stack.
    const detail =
      error instanceof RangeError
        ? 'The body is nested too deeply.'
        : withoutSource(describeError(error))
    throw new RaftwayError('MALFORMED_BODY', detail, { issues: [{ path: '', message: detail }] })
  }
}

function depthOf(value: unknown, depth: number): number {
  if (depth > BODY_DEPTH_MAX || value === null || typeof value !== 'object') return depth
  let deepest = depth + 1
  for (const member of Object.values(value)) deepest = Math.max(deepest, depthOf(member, depth + 1))
  return deepest
}

type Place = { readonly line: number; readonly column: number; readonly message: string }

function malformed(places: readonly Place[]): RaftwayError {
  const issues: Issue[] = places.map(({ line, column, message }) => ({
    path: `line ${line}, column ${column}`,
    message,
  }))
  const { line = 1, column = 1, message = 'is not well-formed' } = places[0] ?? {}
  const detail = `The body is not well-formed at line ${line}, column ${column}: ${message}.`
  return new RaftwayError('MALFORMED_BODY', detail, { issues, extra: { line, column } })
}

function tooDeep(): RaftwayError {
  const message = `is nested deeper than ${BODY_DEPTH_MAX} (BODY_DEPTH_MAX)`
  return new RaftwayError('MALFORMED_BODY', `The body ${message}.`, {
    issues: [{ path: '', message }],
  })
}
