import { unknownField } from '../../shared/definitions/parse.ts'
import { RaftwayError, type Issue } from '../../shared/errors.ts'
import { ISSUES_MAX, MESSAGE_CHARS_MAX } from '../../shared/limits.ts'

/**
 * The members of a request body around the definitions in it, read strictly. Everything wrong is collected;
 * `finish` throws it at once.
 */
export class Envelope {
  readonly #given: Readonly<Record<string, unknown>>
  readonly #issues: Issue[] = []

  /** INVALID_REQUEST if the body is no object; a missing one counts as empty. */
  constructor(body: unknown, known: readonly string[]) {
    if (body === null || (body !== undefined && typeof body !== 'object') || Array.isArray(body)) {
      throw new RaftwayError('INVALID_REQUEST', 'The body must be an object.', {
        issues: [{ path: '', message: `must be an object with ${known.join(', ')}` }],
      })
    }
    this.#given = (body ?? {}) as Readonly<Record<string, unknown>>
    for (const member of Object.keys(this.#given)) {
      if (!known.includes(member)) this.issue(member, unknownField(member, known))
    }
  }

  get hasIssues(): boolean {
    return this.#issues.length > 0
  }

  /** An array, or an empty one and an issue. */
  array(member: string, range: { readonly min: number; readonly max: number }): readonly unknown[] {
    const value = this.#given[member]
    if (!Array.isArray(value)) {
      this.issue(member, value === undefined ? 'is required' : 'must be an array')
      return []
    }
    if (value.length < range.min || value.length > range.max) {
      this.issue(member, `must have ${range.min} to ${range.max} elements, not ${value.length}`)
      return []
    }
    return value
  }

  text(member: string, charsMax: number): string | null {
    const value = this.#given[member]
    if (value === undefined || value === null) return null
    if (typeof value === 'string' && value.length > 0 && value.length <= charsMax) return value
    this.issue(member, `must be a string of 1 to ${charsMax} characters`)
    return null
  }

  requiredText(member: string, charsMax: number): string {
    const value = this.text(member, charsMax)
    if (value === null && this.#given[member] === undefined) this.issue(member, 'is required')
    return value ?? ''
  }

  /** A number without a fraction; an issue, and `min`, when it is none. */
  requiredInteger(
    member: string,
    { min, max }: { readonly min: number; readonly max: number },
  ): number {
    const value = this.#given[member]
    const isGood = Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= max
    if (isGood) return Number(value)
    this.issue(member, `must be a whole number from ${min} to ${max}`)
    return min
  }

  /** The same, or null when it is not given. */
  integer(member: string, range: { readonly min: number; readonly max: number }): number | null {
    return this.#given[member] === undefined ? null : this.requiredInteger(member, range)
  }

  revision(member: string): number | null {
    return this.#given[member] === undefined ? null : this.requiredRevision(member)
  }

  requiredRevision(member: string): number {
    const value = this.#given[member]
    if (value === undefined) this.issue(member, 'is required')
    else if (isRevision(value)) return value
    else this.issue(member, 'must be a revision: an integer from 0')
    return 0
  }

  /** The message that history keeps with a write. */
  message(): string | null {
    const value = this.#given['message']
    return value === '' ? null : this.text('message', MESSAGE_CHARS_MAX)
  }

  issue(path: string, message: string): void {
    if (this.#issues.length < ISSUES_MAX) this.#issues.push({ path, message })
  }

  /** Throws with everything that was wrong: `code` says whose words were. */
  finish(code: 'INVALID_REQUEST' | 'INVALID_DEFINITION'): void {
    if (this.#issues.length === 0) return
    const count = this.#issues.length === 1 ? 'one issue' : `${this.#issues.length} issues`
    throw new RaftwayError(code, `The body has ${count}; nothing was changed.`, {
      issues: this.#issues,
    })
  }
}

/** Whether a value can be a revision. */
export function isRevision(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0
}
