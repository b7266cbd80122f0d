import type { Role } from '../../shared/definitions/access.ts'
import { isAccessKind, type Kind } from '../../shared/definitions/kinds.ts'

/**
 * What a call asks for. discover: who the members are. metrics: what a node counts. read: definitions and their
 * history. watch: changes as they come. follow: watch as a gateway, with sealed secrets. report: tell what a gateway
 * serves. enrol: get a certificate. write: definitions. replace: all of them at once. operate: members, leader, keys.
 */
export type Right =
  | 'discover'
  | 'metrics'
  | 'read'
  | 'watch'
  | 'follow'
  | 'report'
  | 'enrol'
  | 'write'
  | 'replace'
  | 'operate'

/** What a caller must be allowed to do, and with which kind if only one is meant. `open` needs nothing. */
export type Need = 'open' | { readonly right: Right; readonly kind?: Kind }

const ROLE_RIGHTS: Readonly<Record<Role, readonly Right[]>> = {
  admin: [
    'discover',
    'metrics',
    'read',
    'watch',
    'follow',
    'report',
    'write',
    'replace',
    'operate',
  ],
  editor: ['discover', 'metrics', 'read', 'watch', 'write', 'replace'],
  viewer: ['discover', 'metrics', 'read', 'watch'],
  gateway: ['discover', 'watch', 'follow', 'report', 'enrol'],
  node: ['discover'],
}

/** Whose rights are asked. `kinds`: see `TokenHolder`. */
export type RightsHolder = { readonly role: Role; readonly kinds: readonly string[] | null }

/** Null if the holder may; otherwise what is missing, in words. */
export function missingRight({ role, kinds }: RightsHolder, need: Need): string | null {
  if (need === 'open') return null
  const { right, kind } = need
  if (!ROLE_RIGHTS[role].includes(right))
    return `the role ${role} has no right to ${wordsFor(need)}`
  if (kind !== undefined && right === 'write' && isAccessKind(kind) && role !== 'admin')
    return `only an admin may write a ${kind}`
  if (kinds === null) return null
  if (role === 'editor' && right === 'replace')
    return 'this token may write some kinds only, and so cannot replace all of them'
  if (role === 'viewer' && right === 'watch')
    return 'this token may read some kinds only, and so cannot watch all of them'
  const isLimited =
    (role === 'editor' && right === 'write') || (role === 'viewer' && right === 'read')
  if (!isLimited || kind === undefined || kinds.includes(kind)) return null
  return `this token may ${right} ${kinds.join(', ')}, but no ${kind}`
}

/** Whether the holder may see definitions of a kind. */
export function mayRead(holder: RightsHolder, kind: Kind): boolean {
  return missingRight(holder, { right: 'read', kind }) === null
}

function wordsFor({ right, kind }: Exclude<Need, 'open'>): string {
  const words: Readonly<Record<Right, string>> = {
    discover: 'see the members',
    metrics: 'read metrics',
    read: `read ${kind === undefined ? 'definitions' : `a ${kind}`}`,
    watch: 'watch',
    follow: 'watch as a gateway',
    report: 'report as a gateway',
    enrol: 'enrol a gateway',
    write: `write ${kind === undefined ? 'definitions' : `a ${kind}`}`,
    replace: 'replace the whole config',
    operate: 'operate the cluster',
  }
  return words[right]
}
