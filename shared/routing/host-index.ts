import { hashOf } from './bytes.ts'
import { find, update, valuesOf, type Edit, type HashMap } from './hash-map.ts'
import { ANY_HOST, type HostPattern } from './hosts.ts'
import type { PathIndex } from './path-index.ts'
import { compareText } from './routes.ts'

/** The routes of every host pattern. */
export type HostIndex = {
  readonly any: PathIndex
  readonly named: HashMap<HostEntry>
  /** No name of a pattern for hosts below it has more dots; -1 without such patterns. */
  readonly dotsMax: number
}

/** What is known of one host name; the three kinds of pattern that it can be written in. */
type HostEntry = {
  readonly name: string
  readonly exact: PathIndex
  readonly below: PathIndex
  readonly suffix: PathIndex
}

/** The routes of one pattern, which is written as people do. */
export type HostLevel = { readonly host: string; readonly paths: PathIndex }

export const EMPTY_HOSTS: HostIndex = { any: null, named: null, dotsMax: -1 }

const NO_PATHS = { exact: null, below: null, suffix: null }

/** The index with the routes of one host pattern replaced by what `change` makes of them. */
export function updateHost(
  hosts: HostIndex,
  host: HostPattern,
  change: (paths: PathIndex) => PathIndex,
  edit: Edit,
): HostIndex {
  if (host.type === 'any') return { ...hosts, any: change(hosts.any) }
  const { type, name } = host
  const changeEntry = (before: HostEntry | undefined): HostEntry | undefined => {
    const { exact, below, suffix } = before ?? NO_PATHS
    const after = {
      name,
      exact: type === 'exact' ? change(exact) : exact,
      below: type === 'below' ? change(below) : below,
      suffix: type === 'suffix' ? change(suffix) : suffix,
    }
    const isEmpty = after.exact === null && after.below === null && after.suffix === null
    return isEmpty ? undefined : after
  }
  const isMeant = (entry: HostEntry) => entry.name === name
  const named = update(hosts.named, { hash: hashOf(name), isMeant }, changeEntry, edit)
  const dots = type === 'exact' ? -1 : name.split('.').length - 1
  return { any: hosts.any, named, dotsMax: named === null ? -1 : Math.max(hosts.dotsMax, dots) }
}

/** The patterns that take a host, in the order in which they are asked: the most specific first. */
export function levelsOf(hosts: HostIndex, host: string): readonly HostLevel[] {
  const levels: HostLevel[] = []
  const add = (text: string, paths: PathIndex): void => {
    if (paths !== null) levels.push({ host: text, paths })
  }
  const whole = entryOf(hosts, host)
  add(host, whole?.exact ?? null)
  add(`.${host}`, whole?.suffix ?? null)
  const names: string[] = []
  // From the end on, so that the number of looks is bounded by the table.
  for (let dot = host.length; names.length <= hosts.dotsMax;) {
    dot = dot === 0 ? -1 : host.lastIndexOf('.', dot - 1)
    if (dot < 0) break
    names.push(host.slice(dot + 1))
  }
  for (const name of names.reverse()) {
    const entry = entryOf(hosts, name)
    add(`*.${name}`, entry?.below ?? null)
    add(`.${name}`, entry?.suffix ?? null)
  }
  add(ANY_HOST.text, hosts.any)
  return levels
}

/** The routes of one host pattern. */
export function pathsOf(hosts: HostIndex, host: HostPattern): PathIndex {
  return host.type === 'any' ? hosts.any : (entryOf(hosts, host.name)?.[host.type] ?? null)
}

/** Every host pattern that has routes, in the order of names from their last character, `any` last. */
export function* hostsOf(
  hosts: HostIndex,
): Generator<readonly [host: HostPattern, paths: PathIndex]> {
  const marks = { exact: '', below: '*.', suffix: '.' }
  const entries = [...valuesOf(hosts.named)]
  for (const entry of entries.sort((a, b) => compareText(backwards(a.name), backwards(b.name)))) {
    const { name } = entry
    for (const type of ['exact', 'below', 'suffix'] as const) {
      if (entry[type] !== null) yield [{ name, type, text: marks[type] + name }, entry[type]]
    }
  }
  if (hosts.any !== null) yield [ANY_HOST, hosts.any]
}

function entryOf(hosts: HostIndex, name: string): HostEntry | undefined {
  return find(hosts.named, hashOf(name), (entry) => entry.name === name)
}

function backwards(text: string): string {
  return text.split('').reverse().join('')
}
