/**
 * A host as an Api writes it, taken apart. `exact` is one name; `below` (`*.x`) every name below `name`; `suffix`
 * (`.x`) the name and every name below; `any` is what an Api without hosts serves.
 */
export type HostPattern = {
  readonly type: 'exact' | 'below' | 'suffix' | 'any'
  /** Lower case, without the leading `.` or `*.`; empty for `any`. */
  readonly name: string
  /** As people write it, lower case: `api.example.com`, `.example.com`, `*.example.com`, `*`. */
  readonly text: string
}

export const ANY_HOST: HostPattern = { type: 'any', name: '', text: '*' }

/** Takes a host apart that the schema has accepted. */
export function parseHost(host: string): HostPattern {
  const text = host.toLowerCase()
  const type = text.startsWith('*.') ? 'below' : text.startsWith('.') ? 'suffix' : 'exact'
  const name = text.slice({ exact: 0, suffix: 1, below: 2 }[type])
  return { type, name, text }
}
