import { z } from 'zod'
import type { ErrorCode } from '../errors.ts'
import { ERROR_VARIABLES, errorTemplateFault } from '../error-template.ts'
import { ERROR_DATA_CHARS_MAX, ERROR_DATA_MAX, ERROR_TEMPLATE_CHARS_MAX } from '../access-limits.ts'
import { ACCESS_ERRORS, TRAFFIC_ERRORS } from '../traffic-errors.ts'

/** What a gateway may answer requests with. */
const CODES = [
  ...Object.keys(TRAFFIC_ERRORS),
  ...Object.keys(ACCESS_ERRORS),
  'BODY_TOO_LARGE',
  'OVERLOADED',
  'INTERNAL',
] as readonly ErrorCode[] // The keys of constant objects are their names.

const codeSchema = z.enum(CODES)
const templateSchema = z.string().max(ERROR_TEMPLATE_CHARS_MAX)

/** What clients of an Api are told of errors that the gateway answers with. */
export const apiErrorsSchema = z
  .strictObject({
    templates: z
      .strictObject({
        json: templateSchema.optional(),
        xml: templateSchema.optional(),
        csv: templateSchema.optional(),
        html: templateSchema.optional(),
      })
      .optional()
      .describe(
        'Bodies by form, with {{variables}}: code, message, status, request_id, base_url, https_url, signup_url, ' +
          'contact_url and those of `data`. Values are escaped as the form needs it: in JSON and CSV, one that does not stand ' +
          'between quotation marks gets them. What nobody knows stays as it is.',
      ),
    data: z
      .record(
        z.string().regex(/^[A-Za-z][A-Za-z0-9_.-]{0,63}$/, 'must be a name such as contact_url'),
        z.string().max(ERROR_DATA_CHARS_MAX),
      )
      .refine((data) => Object.keys(data).length <= ERROR_DATA_MAX, {
        message: `at most ${ERROR_DATA_MAX} members (ERROR_DATA_MAX)`,
      })
      .optional()
      .describe(
        'Variables of its own, and others for signup_url and contact_url. A value may have variables, too. `cache_control` ' +
          'becomes the Cache-Control of errors.',
      ),
    statuses: z
      .partialRecord(codeSchema, z.int().min(400).max(599))
      .optional()
      .describe('Another status by code: {"API_KEY_MISSING": 403}.'),
    messages: z
      .partialRecord(codeSchema, z.string().min(1).max(ERROR_DATA_CHARS_MAX))
      .optional()
      .describe('Another message by code, with {{variables}}.'),
    pages: z
      .partialRecord(codeSchema, templateSchema)
      .optional()
      .describe('HTML by code, in place of `templates.html`.'),
  })
  .superRefine((errors, context) => {
    const variables = new Set([...ERROR_VARIABLES, ...Object.keys(errors.data ?? {})])
    const lists = [
      ['data', errors.data, 'text'],
      ['messages', errors.messages, 'text'],
      ['pages', errors.pages, 'html'],
    ] as const
    const check = (
      path: readonly string[],
      text: string | undefined,
      escaping: Parameters<typeof errorTemplateFault>[1],
    ): void => {
      const fault = text === undefined ? null : errorTemplateFault(text, escaping, variables)
      if (fault !== null) context.addIssue({ code: 'custom', path: [...path], message: fault })
    }
    for (const format of ['json', 'xml', 'csv', 'html'] as const) {
      check(['templates', format], errors.templates?.[format], format)
    }
    for (const [list, texts, escaping] of lists) {
      for (const [name, text] of Object.entries(texts ?? {})) check([list, name], text, escaping)
    }
  })

export type ApiErrors = z.infer<typeof apiErrorsSchema>
