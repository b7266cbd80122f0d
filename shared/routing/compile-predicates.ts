import type { PatternSpec } from '../definitions/pattern.ts'
import { compilePattern, type Predicate } from './predicates.ts'
import type { Report } from './report.ts'

/** Conditions on headers (`field` ends so), query parameters or cookies; null once their issues have been reported. */
export function compilePredicates(
  specs: Readonly<Record<string, PatternSpec>> | undefined,
  field: string,
  report: Report,
): readonly Predicate[] | null {
  if (specs === undefined) return NO_PREDICATES
  const predicates: Predicate[] = []
  const names = new Set<string>()
  let isGood = true
  const refuse = (path: string, message: string): void => {
    report(`${field}.${path}`, message)
    isGood = false
  }
  for (const [given, spec] of Object.entries(specs)) {
    const name = field.endsWith('headers') ? given.toLowerCase() : given
    if (names.has(name)) refuse(given, 'names a header that is already named in another case')
    names.add(name)
    const compiled = compilePattern(spec)
    if (compiled.ok) predicates.push({ name, pattern: compiled.pattern })
    else refuse(`${given}.regex`, compiled.reason)
  }
  return isGood ? predicates : null
}

const NO_PREDICATES: readonly Predicate[] = []
