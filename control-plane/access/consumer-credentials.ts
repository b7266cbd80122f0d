import type { ConsumerSpec } from '../../shared/definitions/consumer.ts'
import { RaftwayError } from '../../shared/errors.ts'
import { CREDENTIALS_PER_CONSUMER_MAX, NAME_CHARS_MAX } from '../../shared/limits.ts'

type Credentials = NonNullable<ConsumerSpec['credentials']>
export type ConsumerKey = NonNullable<Credentials['keys']>[number]
type BasicCredential = NonNullable<Credentials['basic']>[number]
type HmacCredential = NonNullable<Credentials['hmac']>[number]

/** A key that is to be added: what it is called may be left to the names that are taken. */
export type NewKey = Omit<ConsumerKey, 'name'> & { readonly name: string | null }

/** A Consumer's spec with one more key, and that key. CREDENTIAL_EXISTS. */
export function withKey(
  spec: ConsumerSpec,
  key: NewKey,
  nowMs: number,
): { readonly spec: ConsumerSpec; readonly key: ConsumerKey } {
  const standing = keysOf(spec)
  const name = key.name ?? freeName('key', standing)
  if (standing.some((each) => each.name === name)) throw exists(`a key named ${name}`)
  const added = { ...key, name }
  const keys = [...withRoom(standing, nowMs), added]
  return { spec: withCredentials(spec, { keys }), key: added }
}

/** A rotation: the new key, and the old one with its end. */
export type Rotated = {
  readonly spec: ConsumerSpec
  readonly key: ConsumerKey
  readonly previous: ConsumerKey
}

/**
 * A Consumer's spec with a new key in place of another, which goes on until `untilMs`, or ends as early as it would
 * have. CREDENTIAL_NOT_FOUND, CREDENTIAL_EXISTS.
 */
export function withRotatedKey(
  spec: ConsumerSpec,
  rotation: {
    readonly name: string
    readonly key: NewKey
    readonly untilMs: number
    readonly nowMs: number
  },
): Rotated {
  const old = keyOf(spec, rotation.name)
  const endMs = old.expiresAt === undefined ? Infinity : Date.parse(old.expiresAt)
  const previous =
    endMs <= rotation.untilMs ? old : { ...old, expiresAt: momentText(rotation.untilMs) }
  const keys = keysOf(spec).map((each) => (each === old ? previous : each))
  const name = rotation.key.name ?? freeName(old.name.replace(/-\d{1,6}$/, ''), keys)
  const added = withKey(withCredentials(spec, { keys }), { ...rotation.key, name }, rotation.nowMs)
  return { ...added, previous }
}

/** A Consumer's spec without a key. CREDENTIAL_NOT_FOUND. */
export function withoutKey(spec: ConsumerSpec, name: string): ConsumerSpec {
  const revoked = keyOf(spec, name)
  return withCredentials(spec, { keys: keysOf(spec).filter((each) => each !== revoked) })
}

/** A Consumer's spec with a user name and what is stored of its password; an earlier password of the name is gone. */
export function withPassword(spec: ConsumerSpec, basic: BasicCredential): ConsumerSpec {
  const others = (spec.credentials?.basic ?? []).filter(
    ({ username }) => username !== basic.username,
  )
  return withCredentials(spec, { basic: [...others, basic] })
}

/** A Consumer's spec without a user name. CREDENTIAL_NOT_FOUND. */
export function withoutPassword(spec: ConsumerSpec, username: string): ConsumerSpec {
  const standing = spec.credentials?.basic ?? []
  const basic = standing.filter((each) => each.username !== username)
  if (basic.length === standing.length) throw notFound(`username ${username}`)
  return withCredentials(spec, { basic })
}

/** A Consumer's spec with one more secret for signatures. CREDENTIAL_EXISTS. */
export function withHmac(spec: ConsumerSpec, hmac: HmacCredential): ConsumerSpec {
  const standing = spec.credentials?.hmac ?? []
  if (standing.some(({ keyId }) => keyId === hmac.keyId)) throw exists(`the keyId ${hmac.keyId}`)
  return withCredentials(spec, { hmac: [...standing, hmac] })
}

/**
 * A Consumer's spec without a secret for signatures. What is sealed is good at its own place only: `reopen` gives the
 * plain secret of those that move, from where they stood. CREDENTIAL_NOT_FOUND.
 */
export function withoutHmac(
  spec: ConsumerSpec,
  keyId: string,
  reopen: (hmac: HmacCredential, path: string) => HmacCredential,
): ConsumerSpec {
  const standing = spec.credentials?.hmac ?? []
  const gone = standing.findIndex((each) => each.keyId === keyId)
  if (gone === -1) throw notFound(`keyId ${keyId}`)
  const hmac = standing.flatMap((each, at) => {
    if (at === gone) return []
    return at < gone ? [each] : [reopen(each, `spec.credentials.hmac.${at}.secret`)]
  })
  return withCredentials(spec, { hmac })
}

/** A moment as definitions have it. */
export function momentText(ms: number): string {
  return new Date(ms).toISOString()
}

function keysOf(spec: ConsumerSpec): readonly ConsumerKey[] {
  return spec.credentials?.keys ?? []
}

function keyOf(spec: ConsumerSpec, name: string): ConsumerKey {
  const found = keysOf(spec).find((each) => each.name === name)
  if (found === undefined) throw notFound(`key named ${name}`)
  return found
}

/** Keys that are over make room when there is none left. */
function withRoom(keys: readonly ConsumerKey[], nowMs: number): readonly ConsumerKey[] {
  if (keys.length < CREDENTIALS_PER_CONSUMER_MAX) return keys
  return keys.filter(({ expiresAt }) => expiresAt === undefined || Date.parse(expiresAt) > nowMs)
}

/** `key-1`, or the first number that is not taken. */
function freeName(base: string, keys: readonly ConsumerKey[]): string {
  const taken = new Set(keys.map(({ name }) => name))
  for (let number = 1; ; number++) {
    const ending = `-${number}`
    const name = base.slice(0, NAME_CHARS_MAX - ending.length) + ending
    if (!taken.has(name)) return name
  }
}

/** Lists that become empty are left out. */
function withCredentials(spec: ConsumerSpec, changed: Credentials): ConsumerSpec {
  const lists = Object.entries({ ...spec.credentials, ...changed })
  const kept = lists.filter(([, list]) => list !== undefined && list.length > 0)
  const { credentials: _credentials, ...rest } = spec
  return kept.length === 0 ? rest : { ...rest, credentials: Object.fromEntries(kept) }
}

function exists(what: string): RaftwayError {
  return new RaftwayError('CREDENTIAL_EXISTS', `The Consumer has ${what} already.`)
}

function notFound(what: string): RaftwayError {
  return new RaftwayError('CREDENTIAL_NOT_FOUND', `The Consumer has no ${what}.`)
}
