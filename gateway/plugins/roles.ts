import type { RolesOptions } from '../../shared/plugins/roles.ts'
import { roleGroupsOf } from '../../shared/routing/merge-roles.ts'
import { errorReply } from '../reply.ts'
import type { Check } from './plugin.ts'

const NOT_THE_ROLES = errorReply(
  'ACCESS_DENIED',
  'the roles that this request needs are not those of the caller',
)

const NO_ROLES: ReadonlySet<string> = new Set()

/** Lets callers in who have all of some roles, and one of each group of others. */
export function roles(options: RolesOptions): Check {
  const all = options.all ?? []
  const groups = roleGroupsOf(options)
  return ({ entitlements }) => {
    const has = entitlements?.roles ?? NO_ROLES
    for (const role of all) if (!has.has(role)) return NOT_THE_ROLES
    for (const group of groups) if (!hasOneOf(group, has)) return NOT_THE_ROLES
    return undefined
  }
}

function hasOneOf(group: readonly string[], has: ReadonlySet<string>): boolean {
  for (const role of group) if (has.has(role)) return true
  return false
}
