// How long nobody could write, by when writes were acknowledged.

/** Something that may have stopped writes. By performance.now(). */
export type Mark = { readonly name: string; readonly atMs: number }

/** After so long whatever happens belongs to something else. */
const WINDOW_MS = 5_000

/** Longest time without an acknowledgement after each mark, until the next one. Milliseconds, by name of the mark. */
export function writableGaps(
  acknowledgedMs: readonly number[],
  marks: readonly Mark[],
): ReadonlyMap<string, readonly number[]> {
  const gaps = new Map<string, number[]>()
  for (const [i, { name, atMs }] of marks.entries()) {
    const endMs = Math.min(atMs + WINDOW_MS, marks[i + 1]?.atMs ?? Number.POSITIVE_INFINITY)
    let longest = 0
    let lastMs = atMs
    for (const ms of acknowledgedMs) {
      if (ms < atMs) continue
      longest = Math.max(longest, ms - lastMs)
      lastMs = ms
      if (ms > endMs) break
    }
    gaps.set(name, [...(gaps.get(name) ?? []), longest])
  }
  return gaps
}

/** `p` in 0 to 1, of numbers in any order. */
export function percentile(numbers: readonly number[], p: number): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)] ?? 0
}
