// A row of a table that fails is named: the rule does not know it.
/* oxlint-disable vitest/valid-expect */
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import {
  formatToken,
  hashOfSecret,
  parseToken,
  TOKEN_SECRET_BYTES,
  type TokenLetter,
} from '../../shared/token-text.ts'

const secret = randomBytes(TOKEN_SECRET_BYTES).toString('base64url')

test('a token is what it was taken apart into', () => {
  const letters: readonly TokenLetter[] = ['t', 'j', 'f']
  for (const letter of letters) {
    for (const name of ['ci', 'a', 'team-a.ci', 'x'.repeat(63)]) {
      for (const fingerprint of ['', 'ab'.repeat(16), '0'.repeat(64)]) {
        const token = { letter, name, secret, fingerprint }
        expect(parseToken(formatToken(token))).toEqual(token)
      }
    }
  }
  expect(parseToken(`rwt_ci.${secret}.`)?.fingerprint).toBe('')
})

test('anything else is no token', () => {
  for (const text of [
    '',
    'ci',
    `rwt_ci.${secret.slice(1)}`,
    `rwt_CI.${secret}`,
    `rwx_ci.${secret}`,
    `rwt_.${secret}`,
    `rwt_ci.${secret}.xyz`,
    ` rwt_ci.${secret}`,
    `rwt_ci.${secret}\n`,
    `rwt_${'a'.repeat(100_000)}.${secret}`,
    `rwt_${'a.'.repeat(50_000)}`,
  ]) {
    expect(parseToken(text), text.slice(0, 80)).toBeNull()
  }
})

test('the stored hash is SHA-256 of the secret part alone', () => {
  expect(hashOfSecret('abc')).toBe(
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  )
})
