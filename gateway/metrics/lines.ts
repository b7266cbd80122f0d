import { DURATION_BUCKETS_MS } from './slots.ts'

type Labels = Readonly<Record<string, string>>

/** Lines of the Prometheus exposition format 0.0.4, each name under the same prefix. */
export class Lines {
  readonly #prefix: string
  readonly #lines: string[] = []

  constructor(prefix: string) {
    this.#prefix = prefix
  }

  /** The head of a family; its values come next. */
  family(name: string, type: 'counter' | 'gauge' | 'histogram', help: string): void {
    const full = `${this.#prefix}${name}`
    this.#lines.push(`# HELP ${full} ${help}`, `# TYPE ${full} ${type}`)
  }

  value(name: string, labels: Labels, value: number): void {
    const list = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text)}"`)
    this.#lines.push(
      `${this.#prefix}${name}${list.length === 0 ? '' : `{${list.join()}}`} ${value}`,
    )
  }

  /** A family of one value without labels. */
  single(name: string, type: 'counter' | 'gauge', help: string, value: number): void {
    this.family(name, type, help)
    this.value(name, {}, value)
  }

  /** Six counters by the class of a status, from `at` on; the first is for requests without an answer. */
  classes(name: string, values: Float64Array, at: number, labels: Labels = {}): void {
    for (let digit = 1; digit <= 5; digit++) {
      this.value(name, { ...labels, class: `${digit}xx` }, values[at + digit] ?? 0)
    }
    this.value(name, { ...labels, class: 'aborted' }, values[at] ?? 0)
  }

  /** A histogram of milliseconds, its sum at `at` and its buckets behind it, in seconds. */
  histogram(name: string, values: Float64Array, at: number, labels: Labels = {}): void {
    let count = 0
    for (const [i, bound] of DURATION_BUCKETS_MS.entries()) {
      count += values[at + 1 + i] ?? 0
      this.value(`${name}_bucket`, { ...labels, le: String(bound / 1_000) }, count)
    }
    count += values[at + 1 + DURATION_BUCKETS_MS.length] ?? 0
    this.value(`${name}_bucket`, { ...labels, le: '+Inf' }, count)
    this.value(`${name}_sum`, labels, (values[at] ?? 0) / 1_000)
    this.value(`${name}_count`, labels, count)
  }

  text(): string {
    return `${this.#lines.join('\n')}\n`
  }
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
