import type { RolesOptions } from '../plugins/roles.ts'

/** The groups of `any`: one role of each is required. */
export function roleGroupsOf({ any }: RolesOptions): readonly (readonly string[])[] {
  if (any === undefined) return []
  const groups = any.filter((each) => typeof each !== 'string')
  return groups.length > 0 ? groups : [any.filter((each) => typeof each === 'string')]
}

/** What a route asks for that has these options, below an Api that has those. */
export function mergeRoles(api: RolesOptions | undefined, route: RolesOptions): RolesOptions {
  if (api === undefined || route.mode === 'override') return route
  const all = [...new Set([...(api.all ?? []), ...(route.all ?? [])])]
  const any = [...roleGroupsOf(api), ...roleGroupsOf(route)].map((group) => [...group])
  return { ...(all.length > 0 && { all }), ...(any.length > 0 && { any }) }
}
