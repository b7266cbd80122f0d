// A row of a table that fails is named: the rule does not know it.
/* oxlint-disable vitest/valid-expect */
import { expect, test } from 'vitest'
import { mayRead, missingRight, type Right } from '../../../control-plane/access/rights.ts'
import { ROLES, type Role } from '../../../shared/definitions/access.ts'
import { KIND_NAMES } from '../../../shared/definitions/kinds.ts'

/** Who may do what, once more by hand. */
const TABLE: Readonly<Record<Right, readonly Role[]>> = {
  discover: ['admin', 'editor', 'viewer', 'gateway', 'node'],
  metrics: ['admin', 'editor', 'viewer'],
  read: ['admin', 'editor', 'viewer'],
  watch: ['admin', 'editor', 'viewer', 'gateway'],
  follow: ['admin', 'gateway'],
  report: ['admin', 'gateway'],
  enrol: ['gateway'],
  write: ['admin', 'editor'],
  replace: ['admin', 'editor'],
  operate: ['admin'],
}

test('each role has the rights of the table and no others', () => {
  for (const [right, allowed] of Object.entries(TABLE) as [Right, readonly Role[]][]) {
    for (const role of ROLES) {
      const missing = missingRight({ role, kinds: null }, { right })
      expect(missing === null, `${role} ${right}`).toBe(allowed.includes(role))
      expect(missing ?? role, 'who is refused is told as what').toContain(role)
    }
  }
  for (const role of ROLES) expect(missingRight({ role, kinds: null }, 'open')).toBeNull()
})

test('only an admin writes tokens and revocations', () => {
  for (const kind of KIND_NAMES) {
    const isAccess = kind === 'Token' || kind === 'Revocation'
    const need = { right: 'write', kind } as const
    expect(missingRight({ role: 'admin', kinds: null }, need)).toBeNull()
    const editor = missingRight({ role: 'editor', kinds: null }, need)
    expect(editor === null, kind).toBe(!isAccess)
    // Naming the kind in a token does not help.
    const named = missingRight({ role: 'editor', kinds: [kind] }, need)
    expect(named === null, kind).toBe(!isAccess)
  }
})

test('kinds limit what an editor writes and what a viewer reads', () => {
  const editor = { role: 'editor', kinds: ['Api'] } as const
  expect(missingRight(editor, { right: 'write', kind: 'Api' })).toBeNull()
  expect(missingRight(editor, { right: 'write', kind: 'Upstream' })).toContain('no Upstream')
  expect(missingRight(editor, { right: 'replace' })).not.toBeNull()
  expect(missingRight(editor, { right: 'read', kind: 'Upstream' })).toBeNull()
  expect(missingRight(editor, { right: 'watch' })).toBeNull()
  const viewer = { role: 'viewer', kinds: ['Api'] } as const
  expect(mayRead(viewer, 'Api')).toBe(true)
  expect(mayRead(viewer, 'Upstream')).toBe(false)
  expect(missingRight(viewer, { right: 'read' })).toBeNull()
  expect(missingRight(viewer, { right: 'watch' })).not.toBeNull()
  expect(missingRight(viewer, { right: 'write', kind: 'Api' })).not.toBeNull()
})
