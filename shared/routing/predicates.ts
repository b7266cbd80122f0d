import { unreachable } from '../assert.ts'
import type { PatternSpec } from '../definitions/pattern.ts'
import { compileRegex, type Regex } from './regex.ts'

/** What one header or query parameter must be. */
export type Pattern =
  | { readonly type: 'exact'; readonly text: string }
  | { readonly type: 'prefix'; readonly text: string }
  | { readonly type: 'regex'; readonly regex: Regex }
  | { readonly type: 'present' }
  | { readonly type: 'absent' }

export type Predicate = {
  /** Lower case for a header, as it is for a query parameter. */
  readonly name: string
  readonly pattern: Pattern
}

/** Compiles a pattern, or says why its regular expression cannot be. */
export function compilePattern(
  spec: PatternSpec,
):
  | { readonly ok: true; readonly pattern: Pattern }
  | { readonly ok: false; readonly reason: string } {
  if (typeof spec === 'string') return { ok: true, pattern: { type: 'exact', text: spec } }
  if ('prefix' in spec) return { ok: true, pattern: { type: 'prefix', text: spec.prefix } }
  if ('present' in spec) {
    return { ok: true, pattern: { type: spec.present ? 'present' : 'absent' } }
  }
  const compiled = compileRegex(spec.regex)
  return compiled.ok ? { ok: true, pattern: { type: 'regex', regex: compiled.regex } } : compiled
}

/** Whether a value is as the pattern says; undefined stands for no value. */
export function matchesPattern(pattern: Pattern, value: string | undefined): boolean {
  if (value === undefined) return pattern.type === 'absent'
  switch (pattern.type) {
    case 'exact':
      return value === pattern.text
    case 'prefix':
      return value.startsWith(pattern.text)
    case 'regex':
      return pattern.regex.test(value)
    case 'present':
      return true
    case 'absent':
      return false
    default:
      return unreachable(pattern)
  }
}

/** Whether any of several values is as the pattern says; none at all is what `absent` asks for. */
export function matchesAnyValue(pattern: Pattern, values: readonly string[]): boolean {
  if (values.length === 0) return matchesPattern(pattern, undefined)
  for (const value of values) if (matchesPattern(pattern, value)) return true
  return false
}

/**
 * Whether every value that `narrow` takes is certainly taken by `wide` too. Says no where only a proof about regular
 * expressions could tell.
 */
export function coversPattern(wide: Pattern, narrow: Pattern): boolean {
  if (wide.type === 'absent' || narrow.type === 'absent') return wide.type === narrow.type
  switch (wide.type) {
    case 'present':
      return true
    case 'exact':
      return narrow.type === 'exact' && narrow.text === wide.text
    case 'prefix':
      return 'text' in narrow && narrow.text.startsWith(wide.text)
    case 'regex':
      if (narrow.type === 'exact') return wide.regex.test(narrow.text)
      return narrow.type === 'regex' && narrow.regex.source === wide.regex.source
    default:
      return unreachable(wide)
  }
}

/** Why a value is not as the pattern says, to be read after the name: `is "a", not "b"`. */
export function explainPattern(pattern: Pattern, values: readonly string[]): string {
  if (pattern.type === 'absent') return 'is present'
  if (values.length === 0) return 'is missing'
  const given = values.map((value) => JSON.stringify(value)).join(', ')
  if (pattern.type === 'exact') return `is ${given}, not ${JSON.stringify(pattern.text)}`
  if (pattern.type === 'prefix') {
    return `is ${given}, which does not begin with ${JSON.stringify(pattern.text)}`
  }
  return `is ${given}, which does not match ${describePattern(pattern)}`
}

/** The pattern in short, to be read after the name: `="a"`, `^="a"`, `~/a/`. */
export function printPattern(pattern: Pattern): string {
  switch (pattern.type) {
    case 'exact':
      return `=${JSON.stringify(pattern.text)}`
    case 'prefix':
      return `^=${JSON.stringify(pattern.text)}`
    case 'regex':
      return `~${describePattern(pattern)}`
    case 'present':
      return ' present'
    case 'absent':
      return ' absent'
    default:
      return unreachable(pattern)
  }
}

function describePattern(pattern: Pattern): string {
  return pattern.type === 'regex' ? `/${pattern.regex.source}/` : pattern.type
}
