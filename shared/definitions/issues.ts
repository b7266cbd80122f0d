import { z } from 'zod'
import type { Issue } from '../errors.ts'
import { ISSUES_MAX } from '../limits.ts'
import { suggest } from '../suggest.ts'
import { SECRET_MESSAGE, secretSchema } from './secret.ts'

type ZodIssue = z.core.$ZodIssue

/** A failed parse as issues with dotted paths below `at`; an unknown field gets a path of its own and a guess. */
export function zodIssues(error: z.ZodError, schema: z.ZodType, at: string): Issue[] {
  const issues: Issue[] = []
  for (const issue of error.issues) collect(issue, schema, at === '' ? [] : [at], issues)
  return issues.slice(0, ISSUES_MAX)
}

function collect(issue: ZodIssue, schema: z.ZodType, at: readonly string[], issues: Issue[]): void {
  const path = [...at, ...issue.path.map(String)]
  // What is wrong inside a secret could only be told with words of it.
  if (descend(schema, issue.path) === secretSchema) {
    const message = issue.code === 'invalid_type' ? plain(issue) : SECRET_MESSAGE
    issues.push({ path: path.join('.'), message })
    return
  }
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(descend(schema, issue.path))
    for (const key of issue.keys) {
      const meant = suggest(key, known)
      const message = meant === null ? 'unknown field' : `unknown field, did you mean "${meant}"?`
      issues.push({ path: [...path, key].join('.'), message })
    }
    return
  }
  if (issue.code === 'invalid_union') {
    const best = bestBranch(issue)
    const option = best === null ? undefined : unionOptions(descend(schema, issue.path))[best]
    if (best !== null && option !== undefined) {
      for (const nested of issue.errors[best] ?? []) collect(nested, option, path, issues)
      return
    }
    issues.push({ path: path.join('.'), message: 'has none of the allowed forms' })
    return
  }
  issues.push({ path: path.join('.'), message: plain(issue) })
}

/** The branch of a union that the input meant: the one that fails deepest rather than by its type. */
function bestBranch(issue: Extract<ZodIssue, { code: 'invalid_union' }>): number | null {
  let best: number | null = null
  let bestScore = -1
  issue.errors.forEach((branch, at) => {
    const wrongType = branch.some(
      (nested) => nested.code === 'invalid_type' && nested.path.length === 0,
    )
    if (wrongType) return
    const score = 1_000 - branch.length
    if (score > bestScore) {
      best = at
      bestScore = score
    }
  })
  return best
}

function plain(issue: ZodIssue): string {
  const text = issue.message.replace(/^Invalid input: /, '')
  if (issue.code === 'invalid_type' && text.endsWith(' received undefined')) return 'is required'
  return text.charAt(0).toLowerCase() + text.slice(1)
}

/** The schema that governs the value at `path`, as far as it can be told. */
function descend(
  schema: z.ZodType | undefined,
  path: readonly PropertyKey[],
): z.ZodType | undefined {
  let here = unwrap(schema)
  for (const step of path) {
    if (here instanceof z.ZodObject) here = unwrap(here.shape[String(step)])
    else if (here instanceof z.ZodArray) here = unwrap(here.element as z.ZodType)
    else if (here instanceof z.ZodRecord) here = unwrap(here.valueType as z.ZodType)
    else return undefined
  }
  return here
}

function unwrap(schema: z.ZodType | undefined): z.ZodType | undefined {
  let here = schema
  while (here instanceof z.ZodOptional || here instanceof z.ZodNullable)
    here = here.unwrap() as z.ZodType
  return here
}

function knownKeys(schema: z.ZodType | undefined): readonly string[] {
  if (schema instanceof z.ZodObject) return Object.keys(schema.shape)
  // A union reports as its only fitting form, without saying which.
  return unionOptions(schema).flatMap((option) => knownKeys(unwrap(option)))
}

function unionOptions(schema: z.ZodType | undefined): readonly z.ZodType[] {
  return schema instanceof z.ZodUnion ? (schema.options as readonly z.ZodType[]) : []
}
