import { keyOf } from './bytes.ts'
import { ANY_HOST, type HostPattern } from './hosts.ts'
import type { PathIndex } from './path-index.ts'
import { entries, update, valueAt, type Edit, type Tree } from './radix-tree.ts'

/** The routes of every host pattern. Named hosts are found by their name from its last character to its first. */
export type HostIndex = {
  readonly any: PathIndex
  readonly named: Tree<HostEntry>
}

/** What is known of one host name; the three kinds of pattern that it can be written in. */
export type HostEntry = {
  readonly exact: PathIndex
  readonly below: PathIndex
  readonly suffix: PathIndex
}

export const EMPTY_HOSTS: HostIndex = { any: null, named: null }

const EMPTY_ENTRY: HostEntry = { exact: null, below: null, suffix: null }

/** The index with the routes of one host pattern replaced by what `change` makes of them. */
export function updateHost(
  hosts: HostIndex,
  host: HostPattern,
  change: (paths: PathIndex) => PathIndex,
  edit: Edit,
): HostIndex {
  if (host.type === 'any') return { ...hosts, any: change(hosts.any) }
  const { type } = host
  const changeEntry = (before: HostEntry = EMPTY_ENTRY): HostEntry | undefined => {
    const paths = change(before[type])
    if (paths === before[type]) return before === EMPTY_ENTRY ? undefined : before
    const after = { ...before, [type]: paths }
    const isEmpty = after.exact === null && after.below === null && after.suffix === null
    return isEmpty ? undefined : after
  }
  return { ...hosts, named: update(hosts.named, host.key, changeEntry, edit) }
}

/** The routes of one host pattern. */
export function pathsOf(hosts: HostIndex, host: HostPattern): PathIndex {
  if (host.type === 'any') return hosts.any
  return valueAt(hosts.named, host.key)?.[host.type] ?? null
}

/** Every host pattern that has routes, in the order of names from their last character, `any` last. */
export function* hostsOf(
  hosts: HostIndex,
): Generator<readonly [host: HostPattern, paths: PathIndex]> {
  for (const [key, entry] of entries(hosts.named)) {
    const name = key.split('').reverse().join('')
    const host = { name, key: keyOf(key) }
    const marks = { exact: '', below: '*.', suffix: '.' }
    for (const type of ['exact', 'below', 'suffix'] as const) {
      if (entry[type] === null) continue
      yield [{ ...host, type, text: marks[type] + name }, entry[type]]
    }
  }
  if (hosts.any !== null) yield [ANY_HOST, hosts.any]
}
