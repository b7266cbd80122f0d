import { z } from 'zod'
import { momentSchema } from '../definitions/common.ts'

/** Requests without TLS are refused, or sent to https. */
export const requireHttpsSchema = z.strictObject({
  action: z
    .enum(['error', 'redirect'])
    .optional()
    .describe(
      'error (default): 400 HTTPS_REQUIRED, which names the https URL. redirect: 301 for GET and HEAD, 308 for the others.',
    ),
  from: momentSchema
    .optional()
    .describe(
      'For a transition: only callers whose credential was made (`createdAt`) from then on must use https, and those who ' +
        'show none. Omitted: everybody.',
    ),
})

export type RequireHttpsOptions = z.infer<typeof requireHttpsSchema>
