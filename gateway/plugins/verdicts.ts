import { VERDICT_CHARS_MAX, VERDICTS_MAX } from '../../shared/access-limits.ts'

type Bounds = { readonly entriesMax: number; readonly charsMax: number }

const USUAL: Bounds = { entriesMax: VERDICTS_MAX, charsMax: VERDICT_CHARS_MAX }

/** What was decided of texts that clients send, so that the usual ones are not looked at again. Bounded. */
export class Verdicts<T> {
  readonly #decide: (text: string) => T
  readonly #bounds: Bounds
  readonly #known = new Map<string, T>()

  constructor(decide: (text: string) => T, bounds: Bounds = USUAL) {
    this.#decide = decide
    this.#bounds = bounds
  }

  of(text: string): T {
    const known = this.#known.get(text)
    if (known !== undefined) return known
    const verdict = this.#decide(text)
    if (text.length > this.#bounds.charsMax) return verdict
    if (this.#known.size >= this.#bounds.entriesMax) this.#known.clear()
    // A copy, because the text may be a piece of a whole head, which it would keep alive.
    this.#known.set(Buffer.from(text, 'latin1').toString('latin1'), verdict)
    return verdict
  }
}
