import { HOST_CHARS_MAX } from '../../shared/limits.ts'
import type { Query } from './query.ts'

const NAME = /^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/

/** Adds an issue unless `name` can be a gateway's: a host name by default, so more than a definition's may be. */
export function checkGatewayName(query: Query, path: string, name: string): void {
  if (name.length <= HOST_CHARS_MAX && NAME.test(name)) return
  query.issue(path, `must be 1 to ${HOST_CHARS_MAX} letters, digits, ".", "_" and "-"`)
}
