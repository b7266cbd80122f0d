import { z } from 'zod'
import { DESCRIPTION_CHARS_MAX, SEALED_CHARS_MAX, SECRET_CHARS_MAX } from '../limits.ts'

/** What is said of a value that can be no secret. Nothing of the value itself is ever repeated. */
export const SECRET_MESSAGE = `must be text of 1 to ${SECRET_CHARS_MAX} characters, or what an export shows in its place`

/** The field type of a secret. `zodIssues` knows it, and never says what was given. */
export const secretSchema = z
  .union([
    z.string().min(1).max(SECRET_CHARS_MAX),
    z.strictObject({
      sealed: z
        .string()
        .regex(/^[0-9a-f]{16}\.[A-Za-z0-9_-]+$/)
        .max(SEALED_CHARS_MAX),
    }),
    z.strictObject({ redacted: z.string().regex(/^[0-9a-f]{32}$/) }),
  ])
  .describe(
    'Plain text; it is sealed before it is stored, and shown as {"redacted": "…"} ever after. What is shown may be ' +
      'put back, and stands for the value that is stored.',
  )

/** A secret that other definitions, and gateways, use by its name. */
export const secretSpecSchema = z.strictObject({
  value: secretSchema,
  description: z.string().max(DESCRIPTION_CHARS_MAX).optional(),
})

export type SecretSpec = z.infer<typeof secretSpecSchema>
