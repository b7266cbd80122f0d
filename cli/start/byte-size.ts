import { UsageError } from '../failures.ts'

const UNITS: Readonly<Record<string, number>> = { '': 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 }

/** Reads `64MiB`, `1GiB` or plain bytes. Throws UsageError that names the option. */
export function readByteSize(option: string, text: string): number {
  const parts = /^(\d{1,12})(KiB|MiB|GiB)?$/.exec(text)
  if (parts !== null) return Number(parts[1]) * (UNITS[parts[2] ?? ''] ?? 1)
  throw new UsageError(`${option} must be a size such as 64MiB, not "${text}"`)
}
