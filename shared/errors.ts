import { ACCESS_ERRORS, TRAFFIC_ERRORS } from './traffic-errors.ts'

/** What a caller may rely on about an error. Source of ERRORS.md: a test compares. */
export type ErrorSpec = {
  /** Status the HTTP edge answers with. */
  readonly status: number
  /** Whose fault: decides log level and alerting. */
  readonly blame: 'client' | 'upstream' | 'raftway'
  /** May the caller repeat the same request, and where. */
  readonly retry: 'never' | 'same' | 'elsewhere'
  /** One line for people, stable per code. */
  readonly title: string
}

export const ERROR_CODES = {
  // Admin API: what was asked
  MALFORMED_BODY: {
    status: 400,
    blame: 'client',
    retry: 'never',
    title: 'The body is not well-formed',
  },
  INVALID_REQUEST: {
    status: 400,
    blame: 'client',
    retry: 'never',
    title: 'The request is not valid',
  },
  INVALID_DEFINITION: {
    status: 422,
    blame: 'client',
    retry: 'never',
    title: 'A definition is not valid',
  },
  BODY_TOO_LARGE: { status: 413, blame: 'client', retry: 'never', title: 'The body is too large' },
  UNSUPPORTED_MEDIA_TYPE: {
    status: 415,
    blame: 'client',
    retry: 'never',
    title: 'The content type is not supported',
  },
  UNKNOWN_CALL: { status: 404, blame: 'client', retry: 'never', title: 'There is no such call' },
  METHOD_NOT_ALLOWED: {
    status: 405,
    blame: 'client',
    retry: 'never',
    title: 'The call does not take this method',
  },
  DEFINITION_NOT_FOUND: {
    status: 404,
    blame: 'client',
    retry: 'never',
    title: 'There is no such definition',
  },
  REVISION_NOT_FOUND: {
    status: 404,
    blame: 'client',
    retry: 'never',
    title: 'The revision lies in the future',
  },
  REVISION_COMPACTED: {
    status: 410,
    blame: 'client',
    retry: 'never',
    title: 'The revision is no longer kept',
  },
  REVISION_CONFLICT: {
    status: 412,
    blame: 'client',
    retry: 'never',
    title: 'The revision guard does not hold',
  },
  IDEMPOTENCY_KEY_REUSED: {
    status: 422,
    blame: 'client',
    retry: 'never',
    title: 'The idempotency key was used for another write',
  },
  // Admin API: who asks
  UNAUTHENTICATED: {
    status: 401,
    blame: 'client',
    retry: 'never',
    title: 'The caller is not known',
  },
  FORBIDDEN: { status: 403, blame: 'client', retry: 'never', title: 'The caller may not do this' },
  TOKEN_USED_UP: {
    status: 403,
    blame: 'client',
    retry: 'never',
    title: 'The token has been used as often as it may be',
  },
  TOO_MANY_ATTEMPTS: {
    status: 429,
    blame: 'client',
    retry: 'same',
    title: 'Too many attempts with wrong credentials',
  },
  SEAL_KEY_MISSING: {
    status: 422,
    blame: 'raftway',
    retry: 'never',
    title: 'The node has no key to seal a secret with',
  },
  CREDENTIAL_NOT_FOUND: {
    status: 404,
    blame: 'client',
    retry: 'never',
    title: 'The Consumer has no such credential',
  },
  CREDENTIAL_EXISTS: {
    status: 409,
    blame: 'client',
    retry: 'never',
    title: 'The Consumer has a credential of this name',
  },
  SECRET_SHOWN_ONCE: {
    status: 409,
    blame: 'client',
    retry: 'never',
    title: 'An earlier attempt of this call has made the credential',
  },
  // Admin API: the cluster
  NO_LEADER: { status: 503, blame: 'raftway', retry: 'elsewhere', title: 'No leader is known' },
  NOT_LEADER: {
    status: 503,
    blame: 'raftway',
    retry: 'elsewhere',
    title: 'This node does not lead',
  },
  NOT_FORMED: {
    status: 503,
    blame: 'raftway',
    retry: 'same',
    title: 'This node belongs to no cluster yet',
  },
  WRITE_UNCERTAIN: {
    status: 503,
    blame: 'raftway',
    retry: 'same',
    title: 'The write may or may not have happened',
  },
  TIMEOUT: { status: 504, blame: 'raftway', retry: 'same', title: 'The answer took too long' },
  OVERLOADED: { status: 503, blame: 'raftway', retry: 'same', title: 'Too much work is waiting' },
  STOPPING: { status: 503, blame: 'raftway', retry: 'elsewhere', title: 'This node is stopping' },
  MEMBER_NOT_FOUND: {
    status: 404,
    blame: 'client',
    retry: 'never',
    title: 'There is no such member',
  },
  MEMBER_EXISTS: {
    status: 409,
    blame: 'client',
    retry: 'never',
    title: 'The name or address is taken by another member',
  },
  MEMBER_REMOVED: {
    status: 403,
    blame: 'client',
    retry: 'never',
    title: 'The cluster has removed this node',
  },
  MEMBERSHIP_CHANGE_PENDING: {
    status: 409,
    blame: 'client',
    retry: 'same',
    title: 'Another membership change is under way',
  },
  MEMBERSHIP_REFUSED: {
    status: 409,
    blame: 'client',
    retry: 'never',
    title: 'The membership change is not possible',
  },
  PEER_UNREACHABLE: {
    status: 502,
    blame: 'raftway',
    retry: 'same',
    title: 'The peer does not answer',
  },
  PEER_REFUSED: {
    status: 502,
    blame: 'raftway',
    retry: 'never',
    title: 'The peer refused the link',
  },
  FRAME_CORRUPT: {
    status: 502,
    blame: 'raftway',
    retry: 'same',
    title: 'A frame is damaged or malformed',
  },
  WATCHER_TOO_SLOW: {
    status: 503,
    blame: 'client',
    retry: 'same',
    title: 'The watcher did not keep up',
  },
  FEATURE_UNAVAILABLE: {
    status: 409,
    blame: 'client',
    retry: 'never',
    title: 'Not every member knows what the write needs',
  },
  VERSION_TOO_OLD: {
    status: 500,
    blame: 'raftway',
    retry: 'never',
    title: 'This version is too old',
  },
  CERTIFICATE_MISSING: {
    status: 500,
    blame: 'client',
    retry: 'never',
    title: 'This node has no certificate that it could start with',
  },
  STORAGE_CORRUPT: {
    status: 500,
    blame: 'raftway',
    retry: 'never',
    title: 'Stored data is damaged',
  },
  STORAGE_FAILED: {
    status: 500,
    blame: 'raftway',
    retry: 'never',
    title: 'The disk failed a write',
  },
  BACKUP_DAMAGED: {
    status: 422,
    blame: 'client',
    retry: 'never',
    title: 'The backup is damaged or cut off',
  },
  STORAGE_FULL: {
    status: 507,
    blame: 'raftway',
    retry: 'same',
    title: 'The disk is full',
  },
  DATA_DIRECTORY_NOT_EMPTY: {
    status: 409,
    blame: 'client',
    retry: 'never',
    title: 'The data directory holds data already',
  },
  DATA_DIRECTORY_IN_USE: {
    status: 500,
    blame: 'raftway',
    retry: 'never',
    title: 'Another process uses the data directory',
  },
  INTERNAL: {
    status: 500,
    blame: 'raftway',
    retry: 'same',
    title: 'Something went wrong in Raftway',
  },
  ...TRAFFIC_ERRORS,
  ...ACCESS_ERRORS,
} as const satisfies Record<string, ErrorSpec>

export type ErrorCode = keyof typeof ERROR_CODES

/** One thing that is wrong with input: where (dotted path, empty for the whole) and what. */
export type Issue = { readonly path: string; readonly message: string }

/** An expected failure in a shell. Match on `code`, never on the text. */
export class RaftwayError extends Error {
  override readonly name = 'RaftwayError'
  readonly code: ErrorCode
  readonly issues: readonly Issue[]
  /** Further members of the problem document, such as the current revision of a conflict. */
  readonly extra: Readonly<Record<string, unknown>>

  constructor(
    code: ErrorCode,
    detail: string,
    more: {
      readonly cause?: unknown
      readonly issues?: readonly Issue[]
      readonly extra?: Readonly<Record<string, unknown>>
    } = {},
  ) {
    super(detail, more.cause === undefined ? undefined : { cause: more.cause })
    this.code = code
    this.issues = more.issues ?? []
    this.extra = more.extra ?? {}
  }
}

/** Whether `error` is an expected failure, of one of `codes` if any are named. */
export function isRaftwayError(
  error: unknown,
  ...codes: readonly ErrorCode[]
): error is RaftwayError {
  return error instanceof RaftwayError && (codes.length === 0 || codes.includes(error.code))
}

/** The text of anything thrown, for a log line or a detail. */
export function describeError(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
