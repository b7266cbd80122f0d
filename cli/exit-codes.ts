/** What a command's exit status means; scripts rely on it. */
export const EXIT = {
  ok: 0,
  error: 1,
  usage: 2,
  different: 3,
  conflict: 4,
  notFound: 5,
  unavailable: 6,
  denied: 7,
  invalid: 8,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** Codes whose status alone does not tell: a peer that does not answer is this cluster's trouble, not the caller's. */
const BY_CODE: Readonly<Record<string, ExitCode>> = {
  UNREACHABLE: EXIT.unavailable,
  REVISION_COMPACTED: EXIT.notFound,
  IDEMPOTENCY_KEY_REUSED: EXIT.conflict,
}

const BY_STATUS: Readonly<Record<number, ExitCode>> = {
  400: EXIT.invalid,
  401: EXIT.denied,
  403: EXIT.denied,
  404: EXIT.notFound,
  409: EXIT.conflict,
  412: EXIT.conflict,
  413: EXIT.invalid,
  415: EXIT.invalid,
  422: EXIT.invalid,
  429: EXIT.denied,
  503: EXIT.unavailable,
  504: EXIT.unavailable,
}

/** The exit status for a refusal: by its code where the code says more, else by its HTTP status; 1 when unknown. */
export function exitCodeOf(problem: { readonly code: string; readonly status: number }): ExitCode {
  return BY_CODE[problem.code] ?? BY_STATUS[problem.status] ?? EXIT.error
}
