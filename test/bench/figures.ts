// What benchmarks share: percentiles, and one JSON line a figure.

/** The value below which `share` of the values lie; `values` need not be sorted. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const at = Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)
  return sorted[Math.max(0, at)] ?? Number.NaN
}

/** Prints one figure; numbers are rounded to three significant digits. */
export function printFigure(figure: Readonly<Record<string, string | number>>): void {
  const rounded = Object.entries(figure).map(([key, value]) => [
    key,
    typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(3)) : value,
  ])
  console.log(JSON.stringify(Object.fromEntries(rounded)))
}
