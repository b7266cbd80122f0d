import { unknownField } from '../../shared/definitions/parse.ts'
import { RaftwayError, type Issue } from '../../shared/errors.ts'

export type IntegerRange = { readonly min: number; readonly max: number }

/**
 * The query of one request, read strictly: parameters that the call does not know, that come twice or that have the
 * wrong form are issues. `finish` throws all of them at once.
 */
export class Query {
  readonly #parameters: URLSearchParams
  readonly #issues: Issue[] = []

  /** `known` names every parameter of the call; one ending in `.*` stands for all that begin so. */
  constructor(url: string, known: readonly string[]) {
    const at = url.indexOf('?')
    this.#parameters = new URLSearchParams(at === -1 ? '' : url.slice(at + 1))
    for (const name of new Set(this.#parameters.keys())) {
      if (known.includes(name) || known.some((pattern) => isBelow(name, pattern))) continue
      this.#issues.push({
        path: name,
        message: unknownField(name, known).replace('field', 'parameter'),
      })
    }
  }

  /** The one value of a parameter, or undefined if it is not given. */
  text(name: string, charsMax = 1_024): string | undefined {
    const values = this.#parameters.getAll(name)
    const value = values[0]
    if (value === undefined) return undefined
    if (values.length > 1) this.issue(name, 'is given more than once')
    if (value.length > charsMax) this.issue(name, `is longer than ${charsMax} characters`)
    return value
  }

  integer(name: string, range: IntegerRange): number | undefined {
    const text = this.text(name)
    if (text === undefined) return undefined
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
    if (value >= range.min && value <= range.max) return value
    this.issue(name, `must be an integer from ${range.min} to ${range.max}`)
    return undefined
  }

  flag(name: string): boolean {
    const text = this.text(name)
    if (text === undefined || text === 'false') return false
    if (text === 'true') return true
    this.issue(name, 'must be true or false')
    return false
  }

  oneOf<const T extends string>(name: string, values: readonly T[]): T | undefined {
    const text = this.text(name)
    if (text === undefined) return undefined
    const value = values.find((known) => known === text)
    if (value === undefined) this.issue(name, `must be ${values.join(' or ')}`)
    return value
  }

  /** Every value of a parameter that may repeat. */
  all(name: string, valuesMax: number): readonly string[] {
    const values = this.#parameters.getAll(name)
    if (values.length > valuesMax) this.issue(name, `is given more than ${valuesMax} times`)
    return values.slice(0, valuesMax)
  }

  /** Every parameter whose name begins with `prefix`, by the rest of its name. */
  below(prefix: string): Record<string, string> {
    const found: [string, string][] = []
    for (const [name, value] of this.#parameters) {
      if (name.startsWith(prefix)) found.push([name.slice(prefix.length), value])
    }
    return Object.fromEntries(found)
  }

  issue(path: string, message: string): void {
    this.#issues.push({ path, message })
  }

  /** Throws INVALID_REQUEST if anything was wrong. */
  finish(): void {
    if (this.#issues.length === 0) return
    const named = this.#issues.map((issue) => `${issue.path} ${issue.message}`).join('; ')
    throw new RaftwayError('INVALID_REQUEST', `The query is not valid: ${named}.`, {
      issues: this.#issues,
    })
  }
}

function isBelow(name: string, pattern: string): boolean {
  return pattern.endsWith('.*') && name.startsWith(pattern.slice(0, -1))
}
