import { keyOf, type Key } from './bytes.ts'

/**
 * A host as an Api writes it, taken apart. `exact` is one name; `below` (`*.x`) every name below `name`; `suffix`
 * (`.x`) the name and every name below; `any` is what an Api without hosts serves.
 */
export type HostPattern = {
  readonly type: 'exact' | 'below' | 'suffix' | 'any'
  /** Lower case, without the leading `.` or `*.`; empty for `any`. */
  readonly name: string
  /** `name` from its last byte to its first: the key that lets longer suffixes share the way to shorter ones. */
  readonly key: Key
  /** As people write it, lower case: `api.example.com`, `.example.com`, `*.example.com`, `*`. */
  readonly text: string
}

export const ANY_HOST: HostPattern = { type: 'any', name: '', key: [], text: '*' }

/** Takes a host apart that the schema has accepted. */
export function parseHost(host: string): HostPattern {
  const text = host.toLowerCase()
  const type = text.startsWith('*.') ? 'below' : text.startsWith('.') ? 'suffix' : 'exact'
  const name = text.slice({ exact: 0, suffix: 1, below: 2 }[type])
  return { type, name, key: keyOf(name).toReversed(), text }
}
