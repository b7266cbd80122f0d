import { z } from 'zod'
import { SHARED_ALGORITHMS } from './count-sum.ts'
import { COUNTS_MAX, LIMIT_MAX, LIMIT_WINDOW_MS_MAX } from './limits.ts'

const halfSchema = z
  .int()
  .min(-(2 ** 31))
  .max(2 ** 31 - 1)

/** How often something was counted: both halves of its key, algorithm, limit, window, burst, count. */
const countedSchema = z.tuple([
  halfSchema,
  halfSchema,
  z
    .int()
    .min(0)
    .max(SHARED_ALGORITHMS.length - 1),
  z.int().min(0).max(LIMIT_MAX),
  z.int().min(1).max(LIMIT_WINDOW_MS_MAX),
  z.int().min(0).max(LIMIT_MAX),
  z.int().min(1),
])

/** What one gateway has counted since its last report; nothing: it only asks what others have. */
export const countsReportSchema = z.strictObject({ counts: z.array(countedSchema).max(COUNTS_MAX) })

export type Counted = z.infer<typeof countedSchema>

/** What the other gateways have counted since the last answer, and what all of them begin their keys with. */
export type CountsAnswer = {
  readonly seed: readonly [number, number]
  readonly counts: readonly Counted[]
}
