import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** Path of a Debian program, or null where it is not installed. */
export function programOf(name: string): string | null {
  return ['/usr/sbin', '/usr/bin'].map((dir) => join(dir, name)).find(existsSync) ?? null
}
