// A row of a table that fails is named: the rule does not know it.
/* oxlint-disable vitest/valid-expect */
import { expect, test } from 'vitest'
import { isAccessKind, KIND_NAMES, secretPathsOf } from '../../../shared/definitions/kinds.ts'
import { parseDefinition } from '../../../shared/definitions/parse.ts'
import {
  fingerprintOf,
  isRedacted,
  isSealed,
  mapSecrets,
} from '../../../shared/definitions/secret-values.ts'

const HASH = 'ab'.repeat(32)

function issuesOf(kind: string, spec: unknown, name = 'one'): readonly string[] {
  const parsed = parseDefinition({ kind, name, spec })
  return parsed.ok ? [] : parsed.issues.map(({ path, message }) => `${path}: ${message}`)
}

test('a token says who and how long, and is held to it', () => {
  expect(issuesOf('Token', { role: 'admin', hash: HASH })).toEqual([])
  const whole = {
    role: 'editor',
    hash: HASH,
    kinds: ['Api'],
    expiresAt: '2030-01-01T00:00:00Z',
    lastFour: 'a_-9',
    description: 'ci',
  }
  expect(issuesOf('Token', whole)).toEqual([])
  expect(issuesOf('Token', { role: 'node', hash: HASH, maxUses: 3 })).toEqual([])
  for (const [spec, path] of [
    [{ role: 'god', hash: HASH }, 'spec.role'],
    [{ role: 'admin' }, 'spec.hash'],
    [{ role: 'admin', hash: HASH.toUpperCase() }, 'spec.hash'],
    [{ role: 'admin', hash: HASH, kinds: ['Api'] }, 'spec.kinds'],
    [{ role: 'viewer', hash: HASH, maxUses: 1 }, 'spec.maxUses'],
    [{ role: 'admin', hash: HASH, expiresAt: 'tomorrow' }, 'spec.expiresAt'],
    [{ role: 'admin', hash: HASH, expiresAt: '2030-01-01T00:00:00+02:00' }, 'spec.expiresAt'],
    [{ role: 'admin', hash: HASH, secret: 'x' }, 'spec.secret'],
  ] as const) {
    const issues = issuesOf('Token', spec)
    expect(issues, path).toHaveLength(1)
    expect(issues[0]).toMatch(new RegExp(`^${path}: `))
  }
  expect(issuesOf('Token', { role: 'admin', hash: HASH }, 'bootstrap')).toEqual([
    'name: is taken: choose another name',
  ])
})

test('a revocation names a token or a certificate', () => {
  expect(issuesOf('Revocation', { token: 'bootstrap', reason: 'lost' })).toEqual([])
  expect(issuesOf('Revocation', { certificate: HASH })).toEqual([])
  expect(issuesOf('Revocation', {})).toHaveLength(1)
  expect(issuesOf('Revocation', { token: 'a', certificate: HASH })).toHaveLength(1)
})

test('a secret is text, or what stands in its place', () => {
  for (const value of ['x', { sealed: `${'0'.repeat(16)}.AAAA` }, { redacted: '0'.repeat(32) }])
    expect(issuesOf('Secret', { value })).toEqual([])
})

test.each([
  ['too long', 'hunter2'.repeat(20_000)],
  ['a list', ['hunter2']],
  ['a member name', { hunter2: 1 }],
  ['a member value', { sealed: 'hunter2' }],
  ['further members', { redacted: '0'.repeat(32), hunter2: true }],
  ['a nested text', { plain: { text: 'hunter2' } }],
  ['no object of ours', { redacted: ['hunter2'] }],
  ['a number', 123_456],
  ['nothing', null],
])('what is no secret is refused without a word of it: %s', (_, value) => {
  const issues = issuesOf('Secret', { value })
  expect(issues).toHaveLength(1)
  expect(issues[0]).toMatch(/^spec\.value(\.sealed)?: /)
  expect(issues[0]).not.toMatch(/hunter2|123/)
})

test('secrets are found by their paths, and nothing else is copied', () => {
  const paths = [['value'], ['more', '*', 'key']] as const
  const spec = { value: 'a', more: [{ key: 'b', id: 1 }, { id: 2 }], rest: { key: 'c' } }
  const seen: string[] = []
  const mapped = mapSecrets(spec, paths, (value, path) => {
    seen.push(`${path}=${String(value)}`)
    return `${String(value)}!`
  })
  expect(seen).toEqual(['spec.value=a', 'spec.more.0.key=b'])
  expect(mapped).toEqual({
    value: 'a!',
    more: [{ key: 'b!', id: 1 }, { id: 2 }],
    rest: { key: 'c' },
  })
  expect(spec.value).toBe('a')
  expect((mapped as typeof spec).rest).toBe(spec.rest)
  expect(mapSecrets(spec, paths, (value) => value)).toBe(spec)
  expect(mapSecrets('odd', paths, () => 'never')).toBe('odd')
})

test('a fingerprint tells sealed values apart', () => {
  const one = { sealed: `${'0'.repeat(16)}.AAAA` }
  expect(fingerprintOf(one)).toMatch(/^[0-9a-f]{32}$/)
  expect(fingerprintOf({ sealed: `${'0'.repeat(16)}.AAAB` })).not.toBe(fingerprintOf(one))
  expect(isSealed(one)).toBe(true)
  expect(isRedacted({ redacted: fingerprintOf(one) })).toBe(true)
  expect([isSealed('x'), isSealed(null), isRedacted(one)]).toEqual([false, false, false])
})

test('kinds say which are about access, and where their secrets are', () => {
  expect(KIND_NAMES.filter(isAccessKind)).toEqual(['Token', 'Revocation'])
  expect(KIND_NAMES.filter((kind) => secretPathsOf(kind).length > 0)).toEqual([
    'Consumer',
    'Secret',
    'Certificate',
  ])
})
