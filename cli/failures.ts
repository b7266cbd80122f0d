import type { Issue } from '../shared/errors.ts'
import type { ExitCode } from './exit-codes.ts'

/** A command was called in a way it cannot be: exit 2, one line, and a pointer to its help. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** A command ends with `exitCode` after printing `message`; the reason is already in words for people. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure'
  readonly exitCode: ExitCode

  constructor(exitCode: ExitCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.exitCode = exitCode
  }
}

/** One thing wrong with an input file. `place` is `file:line:column`, or the file alone when no line is known. */
export type PlacedIssue = Issue & { readonly place: string }

/** Input files are not valid: every issue with its place; exit 8. */
export class InvalidInput extends Error {
  override readonly name = 'InvalidInput'
  readonly issues: readonly PlacedIssue[]

  constructor(issues: readonly PlacedIssue[]) {
    super(
      `${issues.length} ${issues.length === 1 ? 'issue' : 'issues'} in the input; nothing was changed`,
    )
    this.issues = issues
  }
}

/** What the control plane answered instead of a result: a problem document, or that nobody answered. */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem'
  /** Stable code of shared/errors.ts; UNREACHABLE when no node answered; HTTP_<status> without a problem document. */
  readonly code: string
  /** 0 when no node answered. */
  readonly status: number
  readonly issues: readonly Issue[]
  /** The whole problem document. */
  readonly document: Readonly<Record<string, unknown>>

  constructor(problem: {
    readonly code: string
    readonly status: number
    readonly detail: string
    readonly issues?: readonly Issue[]
    readonly document?: Readonly<Record<string, unknown>>
    readonly cause?: unknown
  }) {
    super(problem.detail, problem.cause === undefined ? undefined : { cause: problem.cause })
    this.code = problem.code
    this.status = problem.status
    this.issues = problem.issues ?? []
    this.document = problem.document ?? {
      code: problem.code,
      status: problem.status,
      detail: problem.detail,
    }
  }
}
