/** When a request happened and how long it took, in milliseconds; the start counts from 1970. */
export type Timing = { readonly startedAtMs: number; readonly durationMs: number }

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** Writes moments as text. Requests come thousands a second: what a second has in common is written once. */
export class MomentText {
  #second = Number.NaN
  #iso = ''
  #clf = ''

  /** `2026-01-31T12:00:00.123Z` */
  iso(ms: number): string {
    this.#toSecond(ms)
    const rest = Math.trunc(ms) - this.#second * 1_000
    return `${this.#iso}.${rest < 10 ? '00' : rest < 100 ? '0' : ''}${rest}Z`
  }

  /** As the Common Log Format has it, in UTC: `31/Jan/2026:12:00:00 +0000`. */
  clf(ms: number): string {
    this.#toSecond(ms)
    return this.#clf
  }

  #toSecond(ms: number): void {
    const second = Math.floor(ms / 1_000)
    if (second === this.#second) return
    this.#second = second
    this.#iso = new Date(second * 1_000).toISOString().slice(0, 19)
    const [year = '', month = '', day = ''] = this.#iso.slice(0, 10).split('-')
    this.#clf = `${day}/${MONTHS[Number(month) - 1]}/${year}:${this.#iso.slice(11)} +0000`
  }
}

/** Milliseconds with three digits: microseconds are enough, and integers are written faster than fractions. */
export function millisText(ms: number): string {
  const us = Math.max(0, Math.round(ms * 1_000))
  const rest = us % 1_000
  return `${(us - rest) / 1_000}.${rest < 10 ? '00' : rest < 100 ? '0' : ''}${rest}`
}
