import { RECORD_TEXT_CHARS_MAX } from '../../shared/limits.ts'
import type { QueryForm } from './settings.ts'

/**
 * A query string as it may be recorded. A value may be a key or a token, and so may a parameter without `=`: masked,
 * only names are left.
 */
export function recordedQuery(query: string, form: QueryForm): string {
  if (query === '' || form === 'none') return ''
  if (form === 'all') return query.slice(0, RECORD_TEXT_CHARS_MAX)
  return query
    .slice(0, RECORD_TEXT_CHARS_MAX)
    .split('&')
    .map((parameter) => {
      const equals = parameter.indexOf('=')
      return equals === -1 ? '*' : `${parameter.slice(0, equals)}=*`
    })
    .join('&')
}

/** A Referer as it may be recorded: its query follows the same rule, and a login in it is never recorded. */
export function recordedReferer(referer: string, form: QueryForm): string {
  const question = referer.indexOf('?')
  const whole = question === -1 ? referer : referer.slice(0, question)
  const hash = whole.indexOf('#')
  const bare = (hash === -1 ? whole : whole.slice(0, hash))
    .replace(/^([a-z]+:\/\/)[^/]*@/i, '$1')
    .slice(0, RECORD_TEXT_CHARS_MAX)
  if (question === -1 || form === 'none') return bare
  return `${bare}?${recordedQuery(referer.slice(question + 1).split('#', 1)[0] ?? '', form)}`
}
