import { timingSafeEqual } from 'node:crypto'
import type { Role, RevocationSpec, TokenSpec } from '../../shared/definitions/access.ts'
import { BOOTSTRAP_NAME } from '../../shared/definitions/access.ts'
import type { Definition, Kind } from '../../shared/definitions/kinds.ts'
import { hashOfSecret, parseToken } from '../../shared/token-text.ts'

/** What is known of tokens, wherever it is kept. */
export type AccessView = {
  token(name: string): TokenSpec | undefined
  isRevoked(token: string): boolean
  /** Hash of the first admin's token; null until a leader has made one. */
  readonly bootstrapHash: string | null
}

/** Who a token belongs to, once it was found good. */
export type TokenHolder = {
  readonly name: string
  readonly role: Role
  /** The only kinds that an editor may write, or a viewer read; null for all. */
  readonly kinds: readonly string[] | null
  readonly hash: string
  /** Milliseconds since 1970; null when it does not expire. */
  readonly expiresAtMs: number | null
}

/**
 * Why a token is refused. `unknown`: no such token, or another secret; which of the two is told to nobody. The others
 * are told only to bearers of the right secret.
 */
export type TokenRefusal = 'malformed' | 'unknown' | 'revoked' | 'expired' | 'role'

export type Verified =
  | { readonly ok: true; readonly holder: TokenHolder }
  | { readonly ok: false; readonly reason: TokenRefusal; readonly name: string | null }

/** What a secret is compared with when there is no such token: no secret has this hash. */
const NOBODY = '0'.repeat(64)

/**
 * Checks the text of a token. `need` names the roles that will do; null for any. An unknown name costs what a wrong
 * secret costs, and comparing takes the same time wherever two hashes differ.
 */
export function verifyToken(
  view: AccessView,
  text: string,
  nowMs: number,
  need: readonly Role[] | null,
): Verified {
  const parsed = parseToken(text)
  if (parsed === null) return { ok: false, reason: 'malformed', name: null }
  const { name } = parsed
  const holder = holderOf(view, name)
  const isRight = sameHash(hashOfSecret(parsed.secret), holder?.hash ?? NOBODY)
  if (!isRight || holder === null) return { ok: false, reason: 'unknown', name }
  const reason = standing(view, holder, nowMs)
  if (reason !== null) return { ok: false, reason, name }
  if (need !== null && !need.includes(holder.role)) return { ok: false, reason: 'role', name }
  return { ok: true, holder }
}

/** Whether a token that was good before still is what it was. */
export function stillHolds(
  view: AccessView,
  before: TokenHolder,
  nowMs: number,
): TokenRefusal | null {
  const holder = holderOf(view, before.name)
  if (holder === null || !sameHash(holder.hash, before.hash)) return 'unknown'
  const isSame =
    holder.role === before.role && String(holder.kinds ?? '*') === String(before.kinds ?? '*')
  return standing(view, holder, nowMs) ?? (isSame ? null : 'role')
}

/** A view that reads definitions anew each time: for callers that ask seldom. */
export function accessViewOf(
  state: {
    get(kind: Kind, name: string): Definition | undefined
    list(kind: Kind): readonly Definition[]
  },
  bootstrapHash: string | null,
): AccessView {
  return {
    bootstrapHash,
    token: (name) => tokenSpecOf(state.get('Token', name)),
    isRevoked: (token) =>
      state.list('Revocation').some((each) => revocationSpecOf(each)?.token === token),
  }
}

/** The spec of a Token; undefined for anything else. */
export function tokenSpecOf(definition: Definition | undefined): TokenSpec | undefined {
  return definition?.kind === 'Token' ? definition.spec : undefined
}

/** The spec of a Revocation; undefined for anything else. */
export function revocationSpecOf(definition: Definition): RevocationSpec | undefined {
  return definition.kind === 'Revocation' ? definition.spec : undefined
}

function holderOf(view: AccessView, name: string): TokenHolder | null {
  if (name === BOOTSTRAP_NAME) {
    const { bootstrapHash: hash } = view
    return hash === null ? null : { name, role: 'admin', kinds: null, hash, expiresAtMs: null }
  }
  const spec = view.token(name)
  if (spec === undefined) return null
  const { role, hash, kinds, expiresAt } = spec
  const expiresAtMs = expiresAt === undefined ? null : Date.parse(expiresAt)
  return { name, role, kinds: kinds ?? null, hash, expiresAtMs }
}

function standing(view: AccessView, holder: TokenHolder, nowMs: number): TokenRefusal | null {
  if (view.isRevoked(holder.name)) return 'revoked'
  return holder.expiresAtMs !== null && nowMs >= holder.expiresAtMs ? 'expired' : null
}

function sameHash(a: string, b: string): boolean {
  return timingSafeEqual(Buffer.from(a, 'hex'), Buffer.from(b, 'hex'))
}
