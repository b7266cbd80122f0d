/**
 * Stops the process on a broken invariant: our bug, never bad input.
 * Throws `AssertionError`, which nothing in the project catches to go on.
 */
export function assert(condition: unknown, invariant: string): asserts condition {
  if (!condition) throw new AssertionError(invariant)
}

/** Closes an exhaustive switch; the compiler refuses the call while a case is missing. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${JSON.stringify(value)}`)
}

/** A broken invariant. Its message is the invariant in words. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError'
}
