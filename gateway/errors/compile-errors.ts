import type { ApiErrors } from '../../shared/definitions/api-errors.ts'
import {
  ERROR_VARIABLES,
  errorTemplateFault,
  parseErrorTemplate,
  type ErrorFormat,
  type ErrorTemplate,
} from '../../shared/error-template.ts'

/** What an Api tells of errors, ready to be filled in. What is broken is not there: the default stands in for it. */
export type CompiledErrors = {
  readonly templates: ReadonlyMap<ErrorFormat, ErrorTemplate>
  readonly data: ReadonlyMap<string, ErrorTemplate>
  readonly messages: ReadonlyMap<string, ErrorTemplate>
  readonly pages: ReadonlyMap<string, ErrorTemplate>
  readonly statuses: ReadonlyMap<string, number>
}

/** Compiles the errors of an Api; those of Apis that have none are null. */
export function compileErrors(errors: ApiErrors): CompiledErrors {
  const variables = new Set([...ERROR_VARIABLES, ...Object.keys(errors.data ?? {})])
  const usable = <K extends string>(
    texts: Readonly<Partial<Record<K, string | undefined>>> | undefined,
    escapingOf: (name: K) => ErrorFormat | 'text',
  ): ReadonlyMap<K, ErrorTemplate> => {
    const found = new Map<K, ErrorTemplate>()
    for (const name of Object.keys(texts ?? {}) as K[]) {
      // The keys of the record are of its type.
      const text = texts?.[name]
      const escaping = escapingOf(name)
      if (text === undefined || errorTemplateFault(text, escaping, variables) !== null) continue
      const parsed = parseErrorTemplate(text, escaping)
      if (parsed.ok) found.set(name, parsed.template)
    }
    return found
  }
  return {
    templates: usable(errors.templates, (format) => format),
    data: usable(errors.data, () => 'text'),
    messages: usable(errors.messages, () => 'text'),
    pages: usable(errors.pages, () => 'html'),
    statuses: new Map(Object.entries(errors.statuses ?? {})),
  }
}
