import { UsageError } from '../failures.ts'

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 24 * 3_600_000,
}

/** Reads `90s`, `15m`, `1h`, `30d` or `500ms` as milliseconds. Throws UsageError that names the option. */
export function readDuration(option: string, text: string): number {
  const [, count = '', unit = ''] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text.trim()) ?? []
  const ms = Number(count) * (UNIT_MS[unit] ?? Number.NaN)
  if (Number.isSafeInteger(ms) && ms > 0) return ms
  throw new UsageError(`${option} must be a duration such as 90s, 15m, 1h or 30d, not "${text}"`)
}
