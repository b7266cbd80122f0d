// A row of a table that fails is named: the rule does not know it.
/* oxlint-disable vitest/valid-expect */
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import {
  accessViewOf,
  stillHolds,
  verifyToken,
  type AccessView,
} from '../../../control-plane/access/verify-token.ts'
import type { TokenSpec } from '../../../shared/definitions/access.ts'
import type { Definition } from '../../../shared/definitions/kinds.ts'
import { formatToken, hashOfSecret } from '../../../shared/token-text.ts'

const NOW_MS = Date.UTC(2030, 0, 1)

function secretOf(): string {
  return randomBytes(32).toString('base64url')
}

function textOf(name: string, secret: string): string {
  return formatToken({ letter: 't', name, secret, fingerprint: '' })
}

function view(parts: {
  readonly tokens?: Readonly<Record<string, TokenSpec>>
  readonly revoked?: readonly string[]
  readonly bootstrap?: string
}): AccessView {
  const { tokens = {}, revoked = [], bootstrap } = parts
  return {
    token: (name) => tokens[name],
    isRevoked: (name) => revoked.includes(name),
    bootstrapHash: bootstrap === undefined ? null : hashOfSecret(bootstrap),
  }
}

test('the right secret of a token is its holder, with role, kinds and expiry', () => {
  const secret = secretOf()
  const ci: TokenSpec = {
    role: 'editor',
    hash: hashOfSecret(secret),
    kinds: ['Api'],
    expiresAt: '2030-01-02T00:00:00Z',
  }
  const verified = verifyToken(view({ tokens: { ci } }), textOf('ci', secret), NOW_MS, null)
  expect(verified).toEqual({
    ok: true,
    holder: {
      name: 'ci',
      role: 'editor',
      kinds: ['Api'],
      hash: ci.hash,
      expiresAtMs: Date.UTC(2030, 0, 2),
    },
  })
})

test('an unknown name and a wrong secret are refused alike', () => {
  const ci: TokenSpec = { role: 'admin', hash: hashOfSecret(secretOf()) }
  const known = view({ tokens: { ci } })
  const guess = secretOf()
  expect(verifyToken(known, textOf('ci', guess), NOW_MS, null)).toMatchObject({ reason: 'unknown' })
  expect(verifyToken(known, textOf('cd', guess), NOW_MS, null)).toMatchObject({ reason: 'unknown' })
  expect(verifyToken(known, 'ci', NOW_MS, null)).toMatchObject({ reason: 'malformed' })
})

test('expired, revoked and of the wrong role is told to the bearer of the right secret only', () => {
  const secret = secretOf()
  const expired: TokenSpec = {
    role: 'viewer',
    hash: hashOfSecret(secret),
    expiresAt: '2030-01-01T00:00:00Z',
  }
  const fine: TokenSpec = { role: 'viewer', hash: hashOfSecret(secret) }
  const tokens = { expired, fine, gone: fine }
  const known = view({ tokens, revoked: ['gone'] })
  for (const [name, need, reason] of [
    ['expired', null, 'expired'],
    ['gone', null, 'revoked'],
    ['fine', ['node'], 'role'],
  ] as const) {
    expect(verifyToken(known, textOf(name, secret), NOW_MS, need), name).toMatchObject({
      ok: false,
      reason,
    })
    const guess = verifyToken(known, textOf(name, secretOf()), NOW_MS, need)
    expect(guess, name).toMatchObject({ ok: false, reason: 'unknown' })
  }
  expect(verifyToken(known, textOf('expired', secret), NOW_MS - 1, null).ok).toBe(true)
})

test('the bootstrap token is an admin until it is revoked, and nobody before there is one', () => {
  const secret = secretOf()
  const text = textOf('bootstrap', secret)
  expect(verifyToken(view({}), text, NOW_MS, null)).toMatchObject({ reason: 'unknown' })
  const made = view({ bootstrap: secret })
  expect(verifyToken(made, text, NOW_MS, null)).toMatchObject({ holder: { role: 'admin' } })
  const revoked = view({ bootstrap: secret, revoked: ['bootstrap'] })
  expect(verifyToken(revoked, text, NOW_MS, null)).toMatchObject({ reason: 'revoked' })
  // A definition of that name, should there ever be one, does not stand in for it.
  const planted = secretOf()
  const token: TokenSpec = { role: 'admin', hash: hashOfSecret(planted) }
  const both = view({ bootstrap: secret, tokens: { bootstrap: token } })
  expect(verifyToken(both, textOf('bootstrap', planted), NOW_MS, null).ok).toBe(false)
})

test('a token that was good no longer holds once it is deleted, rewritten, revoked or expired', () => {
  const secret = secretOf()
  const ci: TokenSpec = {
    role: 'editor',
    hash: hashOfSecret(secret),
    kinds: ['Api'],
    expiresAt: '2030-01-02T00:00:00Z',
  }
  const verified = verifyToken(view({ tokens: { ci } }), textOf('ci', secret), NOW_MS, null)
  if (!verified.ok) throw new Error(verified.reason)
  const { holder } = verified
  const after = (parts: Parameters<typeof view>[0], nowMs = NOW_MS): string | null =>
    stillHolds(view(parts), holder, nowMs)
  expect(after({ tokens: { ci: { ...ci, description: 'the same' } } })).toBeNull()
  expect(after({})).toBe('unknown')
  expect(after({ tokens: { ci: { ...ci, hash: hashOfSecret(secretOf()) } } })).toBe('unknown')
  expect(after({ tokens: { ci: { ...ci, role: 'viewer' } } })).toBe('role')
  expect(after({ tokens: { ci: { ...ci, kinds: ['Upstream'] } } })).toBe('role')
  expect(after({ tokens: { ci }, revoked: ['ci'] })).toBe('revoked')
  expect(after({ tokens: { ci } }, Date.UTC(2030, 0, 2))).toBe('expired')
})

test('a view of definitions finds tokens, and revocations by what they name', () => {
  const numbers = { revision: 1, createdRevision: 1 }
  const secret = secretOf()
  const token: Definition = {
    kind: 'Token',
    name: 'ci',
    spec: { role: 'admin', hash: hashOfSecret(secret) },
    ...numbers,
  }
  const revocation: Definition = {
    kind: 'Revocation',
    name: 'left-the-company',
    spec: { token: 'ci' },
    ...numbers,
  }
  const withDefinitions = (all: readonly Definition[]): AccessView =>
    accessViewOf(
      {
        get: (kind, name) => all.find((each) => each.kind === kind && each.name === name),
        list: (kind) => all.filter((each) => each.kind === kind),
      },
      null,
    )
  const text = textOf('ci', secret)
  expect(verifyToken(withDefinitions([token]), text, NOW_MS, ['admin']).ok).toBe(true)
  const revoked = verifyToken(withDefinitions([token, revocation]), text, NOW_MS, ['admin'])
  expect(revoked).toMatchObject({ reason: 'revoked' })
})
