import { z } from 'zod'
import { REFERERS_MAX, URL_CHARS_MAX } from '../limits.ts'

/** Only requests from these pages pass. */
export const refererAllowSchema = z.strictObject({
  referers: z
    .array(z.string().min(1).max(URL_CHARS_MAX))
    .min(1)
    .max(REFERERS_MAX)
    .describe(
      'Pages, as Referer says, where `*` stands for any text and case does not matter: https://*.example.com/*. Where the ' +
        'Referer does not fit, Origin is compared with what stands before the path.',
    ),
  missing: z
    .enum(['deny', 'allow'])
    .optional()
    .describe('What becomes of requests with neither Referer nor Origin. Default deny.'),
})

export type RefererAllowOptions = z.infer<typeof refererAllowSchema>
