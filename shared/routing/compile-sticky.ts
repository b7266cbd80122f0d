import type { StickySpec } from '../definitions/sticky.ts'
import type { StickyOptions } from './types.ts'

/** How a client is kept with its target; null when it is not. */
export function compileSticky(spec: StickySpec | undefined): StickyOptions | null {
  if (spec?.header !== undefined) return { type: 'header', name: spec.header }
  if (spec?.cookie === undefined) return null
  const { name, path = '/', seconds } = spec.cookie
  const age = seconds === undefined ? '' : `; Max-Age=${seconds}`
  return { type: 'cookie', name, attributes: `; Path=${path}${age}; HttpOnly; SameSite=Lax` }
}
