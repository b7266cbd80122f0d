import type { Terminal } from '../command.ts'
import { UsageError } from '../failures.ts'
import { readDuration } from '../start/duration.ts'

/** `KEY=VALUE` words as members; undefined when there are none. Throws UsageError that names the option. */
export function readPairs(
  option: string,
  words: readonly string[] | undefined,
): Record<string, string> | undefined {
  if (words === undefined || words.length === 0) return undefined
  const pairs = words.map((word): readonly [string, string] => {
    const at = word.indexOf('=')
    if (at < 1) throw new UsageError(`${option} must be KEY=VALUE, not "${word}"`)
    return [word.slice(0, at), word.slice(at + 1)]
  })
  return Object.fromEntries(pairs)
}

/** A moment in UTC as it is, or how long from now as `90d`: a moment. Throws UsageError that names the option. */
export function readEnd(option: string, text: string, nowMs: number): string {
  const atMs = /^\d{1,9}[a-z]+$/.test(text) ? nowMs + readDuration(option, text) : Date.parse(text)
  if (!Number.isNaN(atMs) && /^\d/.test(text)) return new Date(atMs).toISOString()
  throw new UsageError(
    `${option} must be a time such as 2030-01-31T12:00:00Z, or a duration such as 90d`,
  )
}

/** A duration in whole seconds; `0` for none. Throws UsageError that names the option. */
export function readSeconds(option: string, text: string): number {
  return text === '0' ? 0 : Math.ceil(readDuration(option, text) / 1_000)
}

/** Prints a secret: the only line on stdout, so that it can be kept in a file. What it is stands on stderr. */
export function tellSecret(terminal: Terminal, secret: string, what: string): void {
  terminal.out(`${secret}\n`)
  terminal.say(`${what}: keep it now, it cannot be shown again`)
}
