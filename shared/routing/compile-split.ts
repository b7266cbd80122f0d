import type { MirrorSpec, SplitSpec } from '../definitions/split.ts'
import { compilePredicates } from './compile-predicates.ts'
import { compileKeySource } from './request-key.ts'
import type { Report } from './report.ts'
import type { Branch, CompiledSplit } from './split.ts'
import type { CompiledMirror } from './types.ts'

/** A split ready to be used, or null once everything that is wrong with it has been reported. */
export function compileSplit(
  spec: SplitSpec,
  keys: readonly string[],
  report: Report,
): CompiledSplit | null {
  const branches: Branch[] = []
  for (const [at, { when, weight }] of spec.branches.entries()) {
    const path = `split.branches.${at}.when`
    const headers = compilePredicates(when?.headers, `${path}.headers`, report)
    const cookies = compilePredicates(when?.cookies, `${path}.cookies`, report)
    if (headers === null || cookies === null) return null
    const weightDefault = when === undefined ? 1 : 0
    branches.push({
      upstreamKey: keys[at] ?? '',
      weight: weight ?? weightDefault,
      headers,
      cookies,
    })
  }
  const total = branches.reduce((sum, { weight }) => sum + weight, 0)
  return { branches, total, isKeyed: spec.on !== undefined, on: compileKeySource(spec.on) }
}

/** A mirror ready to be used. */
export function compileMirror(spec: MirrorSpec, upstreamKey: string): CompiledMirror {
  return { upstreamKey, share: (spec.percent ?? 100) / 100 }
}
