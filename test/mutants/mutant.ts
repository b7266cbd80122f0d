/** One deliberate fault of our own code, which the tests must notice. */
export type Mutant = {
  readonly name: string
  /** What would happen in a cluster that ran this. */
  readonly fatal: string
  readonly file: string
  /** Stands exactly once in `file`, or the gate fails: a mutant must not rot. */
  readonly text: string
  readonly replacement: string
  /** Test files that should notice, quick ones first. One of them must. */
  readonly suites: readonly string[]
}
