import type { ErrorSpec } from './errors.ts'

/** What a gateway answers requests with, whoever makes them. */
export const TRAFFIC_ERRORS = {
  NOT_FOUND: {
    status: 404,
    blame: 'client',
    retry: 'never',
    title: 'No route matches the request',
  },
  BAD_REQUEST: { status: 400, blame: 'client', retry: 'never', title: 'The request is malformed' },
  MISDIRECTED_REQUEST: {
    status: 421,
    blame: 'client',
    retry: 'never',
    title: 'The connection is not good for this host',
  },
  TARGET_LINE_TOO_LONG: {
    status: 414,
    blame: 'client',
    retry: 'never',
    title: 'The request target is too long',
  },
  HEAD_TOO_LARGE: {
    status: 431,
    blame: 'client',
    retry: 'never',
    title: 'The request head is too large',
  },
  HTTP_VERSION_NOT_SUPPORTED: {
    status: 505,
    blame: 'client',
    retry: 'never',
    title: 'The version of HTTP is not spoken',
  },
  TRANSFER_CODING_NOT_SUPPORTED: {
    status: 501,
    blame: 'client',
    retry: 'never',
    title: 'The transfer coding is not supported',
  },
  REQUEST_TIMEOUT: {
    status: 408,
    blame: 'client',
    retry: 'same',
    title: 'The request took too long to arrive',
  },
  ROUTE_REMOVED: {
    status: 503,
    blame: 'raftway',
    retry: 'same',
    title: 'The route was removed while the request was under way',
  },
  UPSTREAM_UNREACHABLE: {
    status: 502,
    blame: 'upstream',
    retry: 'same',
    title: 'The target cannot be reached',
  },
  UPSTREAM_BAD_RESPONSE: {
    status: 502,
    blame: 'upstream',
    retry: 'never',
    title: 'The target sent a malformed answer',
  },
  UPSTREAM_PROTOCOL: {
    status: 502,
    blame: 'upstream',
    retry: 'never',
    title: 'The target does not speak what the request needs',
  },
  UPSTREAM_TIMEOUT: {
    status: 504,
    blame: 'upstream',
    retry: 'never',
    title: 'The target took too long',
  },
  UPSTREAM_BUSY: {
    status: 503,
    blame: 'upstream',
    retry: 'same',
    title: 'Every connection to the target is busy',
  },
  UPSTREAM_OPEN: {
    status: 503,
    blame: 'upstream',
    retry: 'same',
    title: 'Too many requests to the upstream failed',
  },
  UPSTREAM_UNHEALTHY: {
    status: 503,
    blame: 'upstream',
    retry: 'same',
    title: 'No target of the upstream is well',
  },
  NO_CONFIG: {
    status: 503,
    blame: 'raftway',
    retry: 'same',
    title: 'The gateway has no config yet',
  },
} as const satisfies Record<string, ErrorSpec>

/** What a gateway answers callers with who may not, or may not yet. */
export const ACCESS_ERRORS = {
  CREDENTIALS_MISSING: {
    status: 401,
    blame: 'client',
    retry: 'never',
    title: 'No credentials were given',
  },
  CREDENTIALS_INVALID: {
    status: 401,
    blame: 'client',
    retry: 'never',
    title: 'The credentials are not good',
  },
  API_KEY_MISSING: {
    status: 401,
    blame: 'client',
    retry: 'never',
    title: 'No API key was given',
  },
  API_KEY_INVALID: {
    status: 401,
    blame: 'client',
    retry: 'never',
    title: 'The API key is not known',
  },
  API_KEY_EXPIRED: {
    status: 401,
    blame: 'client',
    retry: 'never',
    title: 'The API key has expired',
  },
  API_KEY_DISABLED: {
    status: 403,
    blame: 'client',
    retry: 'never',
    title: 'The API key is disabled',
  },
  TOKEN_MISSING: { status: 401, blame: 'client', retry: 'never', title: 'No token was given' },
  TOKEN_INVALID: { status: 401, blame: 'client', retry: 'never', title: 'The token is not good' },
  TOKEN_EXPIRED: { status: 401, blame: 'client', retry: 'never', title: 'The token has expired' },
  SCOPE_INSUFFICIENT: {
    status: 403,
    blame: 'client',
    retry: 'never',
    title: 'The token is not for this',
  },
  IDENTITY_UNAVAILABLE: {
    status: 503,
    blame: 'upstream',
    retry: 'same',
    title: 'Whoever knows the caller cannot be asked',
  },
  LOGIN_REQUIRED: {
    status: 401,
    blame: 'client',
    retry: 'never',
    title: 'Somebody must log in first',
  },
  LOGIN_FAILED: { status: 400, blame: 'client', retry: 'never', title: 'The login failed' },
  PLUGIN_UNUSABLE: {
    status: 500,
    blame: 'raftway',
    retry: 'same',
    title: 'A plugin lacks what it needs',
  },
  CONSUMER_DISABLED: {
    status: 403,
    blame: 'client',
    retry: 'never',
    title: 'The consumer is disabled',
  },
  CONSUMER_EXPIRED: {
    status: 403,
    blame: 'client',
    retry: 'never',
    title: 'The consumer has expired',
  },
  ACCESS_DENIED: {
    status: 403,
    blame: 'client',
    retry: 'never',
    title: 'The request is not permitted',
  },
  OVER_QUOTA: {
    status: 429,
    blame: 'client',
    retry: 'same',
    title: 'The quota is used up',
  },
  LENGTH_REQUIRED: {
    status: 411,
    blame: 'client',
    retry: 'never',
    title: 'The length of the body must be told',
  },
  OVER_RATE_LIMIT: {
    status: 429,
    blame: 'client',
    retry: 'same',
    title: 'Too many requests',
  },
  HTTPS_REQUIRED: {
    status: 400,
    blame: 'client',
    retry: 'never',
    title: 'The request must come over HTTPS',
  },
  BOT_DENIED: {
    status: 403,
    blame: 'client',
    retry: 'never',
    title: 'Programs of this kind are not served',
  },
  ORIGIN_DENIED: {
    status: 403,
    blame: 'client',
    retry: 'never',
    title: 'Pages of this origin may not call',
  },
} as const satisfies Record<string, ErrorSpec>
