import { hostname } from 'node:os'

/** This machine's own name, in the form that a node or gateway may have. */
export function nameOfHost(): string {
  const label = (hostname().split('.')[0] ?? '').toLowerCase().replace(/[^a-z0-9-]/g, '-')
  return label.slice(0, 63).replace(/^-+|-+$/g, '') || 'node'
}
