import { z } from 'zod'
import { PREDICATES_PER_ROUTE_MAX, SPLIT_BRANCHES_MAX, TARGET_WEIGHT_MAX } from '../limits.ts'
import { nameSchema } from './common.ts'
import { cookieNameSchema, headerNameSchema, keySourceSchema } from './key-source.ts'
import { patternSchema } from './pattern.ts'
import { upstreamSpecSchema } from './upstream.ts'

const whenSchema = z
  .strictObject({
    headers: z.record(headerNameSchema, patternSchema).optional(),
    cookies: z.record(cookieNameSchema, patternSchema).optional(),
  })
  .refine(({ headers, cookies }) => {
    const count = Object.keys(headers ?? {}).length + Object.keys(cookies ?? {}).length
    return count >= 1 && count <= PREDICATES_PER_ROUTE_MAX
  }, `must name 1 to ${PREDICATES_PER_ROUTE_MAX} headers and cookies (PREDICATES_PER_ROUTE_MAX)`)

const branchSchema = z.strictObject({
  upstream: z
    .union([nameSchema, upstreamSpecSchema])
    .describe('Inline, or the name of an Upstream.'),
  weight: z
    .int()
    .min(0)
    .max(TARGET_WEIGHT_MAX)
    .optional()
    .describe(
      'Share of the requests against the other branches. Default 1, or 0 for one with `when`.',
    ),
  when: whenSchema
    .optional()
    .describe('Requests of which all of this is true take this branch, whatever the weights.'),
})

/** Several upstreams for one route. */
export const splitSchema = z
  .strictObject({
    branches: z.array(branchSchema).min(1).max(SPLIT_BRANCHES_MAX),
    on: keySourceSchema
      .optional()
      .describe('Requests that are equal in it take the same branch. Omitted: each is drawn anew.'),
  })
  .refine(({ branches }) => branches.some(hasWeight), {
    path: ['branches'],
    message: 'one of them must have a weight above 0, for requests that no `when` takes',
  })

/** A copy of requests for another upstream. */
export const mirrorSchema = z.strictObject({
  upstream: z
    .union([nameSchema, upstreamSpecSchema])
    .describe('Inline, or the name of an Upstream.'),
  percent: z
    .number()
    .gt(0)
    .max(100)
    .optional()
    .describe('Share of the requests that are copied. Default 100.'),
})

export type SplitSpec = z.infer<typeof splitSchema>
export type MirrorSpec = z.infer<typeof mirrorSchema>

function hasWeight({ weight, when }: z.infer<typeof branchSchema>): boolean {
  return (weight ?? (when === undefined ? 1 : 0)) > 0
}
