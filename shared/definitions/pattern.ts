import { z } from 'zod'
import { PREDICATE_CHARS_MAX, REGEX_CHARS_MAX } from '../limits.ts'

/** What a header, a query parameter or a cookie must be. */
export const patternSchema = z.union([
  z.string().max(PREDICATE_CHARS_MAX),
  z.strictObject({ prefix: z.string().min(1).max(PREDICATE_CHARS_MAX) }),
  z.strictObject({ regex: z.string().min(1).max(REGEX_CHARS_MAX) }),
  z.strictObject({ present: z.boolean() }),
])

export type PatternSpec = z.infer<typeof patternSchema>
