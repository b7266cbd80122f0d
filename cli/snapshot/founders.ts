import type { Founder } from '../../control-plane/offline.ts'
import { UsageError } from '../failures.ts'
import { hostPortText, readHostPort } from '../start/host-port.ts'

/**
 * Reads `--members`: `n1=10.0.0.1:7401,n2=…`, each optionally followed by the API url as in
 * `n1=10.0.0.1:7401@http://10.0.0.1:7400`. Throws UsageError.
 */
export function readFounders(text: string): readonly Founder[] {
  const founders = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map(readFounder)
  for (const part of ['name', 'peer'] as const) {
    if (new Set(founders.map((founder) => founder[part])).size < founders.length) {
      throw new UsageError(`--members names a ${part} twice`)
    }
  }
  return founders
}

function readFounder(text: string): Founder {
  const parts = /^([a-z0-9][a-z0-9.-]{0,62})=([^@]+)(?:@(https?:\/\/[^@]+))?$/.exec(text)
  if (parts === null) {
    throw new UsageError(`--members must be NAME=HOST:PORT, separated by commas, not "${text}"`)
  }
  const [, name = '', peer = '', api] = parts
  return {
    name,
    peer: hostPortText(readHostPort('--members', peer)),
    // Without one, a node tells its own when it starts.
    api: api ?? '',
  }
}
