import { hashApiKey } from '../../shared/definitions/api-key.ts'
import { API_KEY_CHARS_MAX, KNOWN_KEYS_MAX } from '../../shared/limits.ts'
import { cookieValue } from '../../shared/routing/request-key.ts'
import { queryValues } from '../../shared/routing/query-parameters.ts'
import type { KeyAuthOptions } from '../../shared/plugins/key-auth.ts'
import type { KnownKey } from '../consumers/consumers.ts'
import type { Exchange } from '../exchange.ts'
import { errorReply, type Reply } from '../reply.ts'
import type { RequestContext } from '../request-context.ts'
import { basicCredentials } from './basic-credentials.ts'
import { dropCookies, dropFields, dropParameter } from './edits.ts'
import type { Authenticated, Authenticator, PluginParts } from './plugin.ts'

const CHALLENGE = 'WWW-Authenticate: ApiKey\r\n'
const MISSING = challenged(errorReply('API_KEY_MISSING', 'no API key was given'))
const INVALID = challenged(errorReply('API_KEY_INVALID', 'the API key is not known'))
const EXPIRED = challenged(errorReply('API_KEY_EXPIRED', 'the API key has expired'))
const DISABLED = errorReply('API_KEY_DISABLED', 'the API key is disabled')

/** Knows callers by an API key in a header, a query parameter, a cookie or the user name of basic authentication. */
export function keyAuth(
  options: KeyAuthOptions,
  { consumers, epochMs }: PluginParts,
): Authenticator {
  const places = placesOf(options)
  /** Keys that were found lately, so that the usual request hashes nothing. Void as soon as any Consumer changes. */
  const known = new Map<string, KnownKey>()
  let version = consumers.version

  function find(key: string): KnownKey | null {
    if (version !== consumers.version) {
      known.clear()
      version = consumers.version
    }
    const remembered = known.get(key)
    if (remembered !== undefined) return remembered
    const found = key.length > API_KEY_CHARS_MAX ? null : consumers.byKey(hashApiKey(key))
    if (found === null) return null
    if (known.size >= KNOWN_KEYS_MAX) known.clear()
    known.set(key, found)
    return found
  }

  function authenticate(context: RequestContext): Authenticated {
    const key = keyIn(context.exchange, places)
    if (options.keep !== true) strip(context, places)
    if (key === null) return null
    const found = find(key)
    if (found === null) return INVALID
    if (!found.isEnabled) return DISABLED
    return found.expiresAtMs !== Infinity && found.expiresAtMs <= epochMs()
      ? EXPIRED
      : found.identity
  }

  return { authenticate, missing: MISSING }
}

/** Where keys may stand; null where none may. */
type Places = {
  readonly header: string | null
  readonly query: string | null
  readonly cookie: string | null
  readonly isBasic: boolean
  /** Fields that have nothing but the key. */
  readonly fields: readonly string[]
}

function placesOf({ header = 'X-Api-Key', query, cookie, basic }: KeyAuthOptions): Places {
  const name = header === false ? null : header.toLowerCase()
  return {
    header: name,
    query: query === undefined || query === false ? null : query,
    cookie: cookie ?? null,
    isBasic: basic ?? false,
    fields: name === null ? [] : [name],
  }
}

function keyIn(exchange: Exchange, { header, query, cookie, isBasic }: Places): string | null {
  const inHeader = header === null ? undefined : exchange.header(header)
  if (inHeader !== undefined && inHeader !== '') return withoutBearer(inHeader)
  if (query !== null && exchange.query !== '') {
    const [inQuery] = queryValues(exchange.query, query)
    if (inQuery !== undefined && inQuery !== '') return inQuery
  }
  const inCookie = cookie === null ? undefined : cookieValue(exchange.header('cookie'), cookie)
  if (inCookie !== undefined && inCookie !== '') return inCookie
  if (!isBasic) return null
  const name = basicCredentials(exchange.header('authorization'))?.username
  return name === undefined || name === '' ? null : name
}

function withoutBearer(value: string): string {
  return /^bearer +/i.test(value) ? value.slice('bearer'.length).trim() : value
}

/** Takes keys out of what the target gets, wherever they stand. */
function strip(context: RequestContext, { query, cookie, isBasic, fields }: Places): void {
  const { exchange } = context
  if (fields.length > 0) dropFields(context, fields)
  if (query !== null) dropParameter(context, query)
  if (cookie !== null) dropCookies(context, (name) => name === cookie)
  if (isBasic && basicCredentials(exchange.header('authorization')) !== null) {
    dropFields(context, AUTHORIZATION)
  }
}

const AUTHORIZATION = ['authorization']

function challenged(reply: Reply): Reply {
  return { ...reply, lines: reply.lines + CHALLENGE }
}
