import { BEARER_CHARS_MAX } from '../../shared/limits.ts'
import type { TokenPlaceOptions } from '../../shared/plugins/token.ts'
import { queryValues } from '../../shared/routing/query-parameters.ts'
import { cookieValue } from '../../shared/routing/request-key.ts'
import type { Exchange } from '../exchange.ts'
import { errorReply, type Reply } from '../reply.ts'
import type { RequestContext } from '../request-context.ts'
import { dropCookies, dropFields, dropParameter } from './edits.ts'

/** What callers with tokens are refused with (RFC 6750 3). */
export const TOKEN_REPLIES = {
  missing: challenged(errorReply('TOKEN_MISSING', 'no token was given'), ''),
  invalid: invalid('the token is not good'),
  revoked: invalid('the token was revoked'),
  expired: challenged(
    errorReply('TOKEN_EXPIRED', 'the token has expired'),
    'error="invalid_token", error_description="the token has expired"',
  ),
  claims: challenged(
    errorReply('SCOPE_INSUFFICIENT', 'the claims of the token are not those that are needed'),
    'error="insufficient_scope"',
  ),
  noConsumer: errorReply('ACCESS_DENIED', 'no consumer goes by this token'),
  unavailable: errorReply('IDENTITY_UNAVAILABLE', 'who the caller is cannot be found out now'),
  unusable: errorReply('PLUGIN_UNUSABLE', 'a secret that the route needs cannot be used'),
}

/** The refusal of a token that lacks scopes. */
export function insufficientScope(scopes: readonly string[]): Reply {
  const scope = scopes.length === 0 ? '' : `, scope="${scopes.filter(isScope).join(' ')}"`
  return challenged(
    errorReply('SCOPE_INSUFFICIENT', 'the token does not have the scopes that are needed'),
    `error="insufficient_scope"${scope}`,
  )
}

function invalid(message: string): Reply {
  return challenged(
    errorReply('TOKEN_INVALID', message),
    `error="invalid_token", error_description="${message}"`,
  )
}

function challenged(reply: Reply, parameters: string): Reply {
  const challenge = parameters === '' ? 'Bearer' : `Bearer ${parameters}`
  return { ...reply, lines: `${reply.lines}WWW-Authenticate: ${challenge}\r\n` }
}

/** RFC 6749 3.3: what may stand in a quoted scope. */
function isScope(text: string): boolean {
  return /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(text)
}

/** Where tokens may stand. */
export type TokenPlaces = {
  /** The token of a request; null when it has none. One that is too long is empty, which no token is. */
  readonly find: (exchange: Exchange) => string | null
  /** Takes tokens out of what the target gets, wherever they stand. */
  readonly strip: (context: RequestContext) => void
}

/** The places of the options. */
export function tokenPlaces({ header, query, cookie, keep }: TokenPlaceOptions): TokenPlaces {
  const name = header === false ? null : (header ?? 'Authorization').toLowerCase()
  const isAuthorization = name === 'authorization'
  const fields = name === null ? [] : [name]
  const given = (exchange: Exchange): string | null => {
    const field = name === null ? undefined : exchange.header(name)
    if (field !== undefined && field !== '') {
      const token = afterScheme(field)
      if (token !== null) return token
      if (!isAuthorization) return field.trim()
    }
    if (query !== undefined && exchange.query !== '') {
      const [value] = queryValues(exchange.query, query)
      if (value !== undefined && value !== '') return value
    }
    const inCookie =
      cookie === undefined ? undefined : cookieValue(exchange.header('cookie'), cookie)
    return inCookie === undefined || inCookie === '' ? null : inCookie
  }
  const strip = (context: RequestContext): void => {
    const { exchange } = context
    if (name !== null) {
      const field = exchange.header(name)
      // Other credentials in Authorization are somebody else's.
      if (field !== undefined && (!isAuthorization || afterScheme(field) !== null)) {
        dropFields(context, fields)
      }
    }
    if (query !== undefined) dropParameter(context, query)
    if (cookie !== undefined) dropCookies(context, (each) => each === cookie)
  }
  return {
    find: (exchange) => {
      const token = given(exchange)
      return token !== null && token.length > BEARER_CHARS_MAX ? '' : token
    },
    strip: keep === true ? () => {} : strip,
  }
}

const SCHEME = 'bearer '

/** What stands behind "Bearer "; null without it. */
function afterScheme(field: string): string | null {
  if (field.length < SCHEME.length || field.charCodeAt(SCHEME.length - 1) !== 32) return null
  if (field.slice(0, SCHEME.length).toLowerCase() !== SCHEME) return null
  return field.slice(SCHEME.length).trim()
}
