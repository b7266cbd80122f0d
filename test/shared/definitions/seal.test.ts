// A row of a table that fails is named: the rule does not know it.
/* oxlint-disable vitest/valid-expect */
import { createCipheriv, hkdfSync, randomBytes } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  keyIdOf,
  openSecret,
  readSealKeys,
  sealSecret,
  type SealKey,
  type SealKeys,
} from '../../../shared/definitions/seal.ts'

const PLACE = { kind: 'Secret', name: 'db', path: 'spec.value' }

function keysOf(...lines: readonly string[]): SealKeys {
  const read = readSealKeys(lines.join('\n'))
  if (!read.ok) throw new Error(read.message)
  return read.keys
}

function freshKey(): SealKey {
  const [key] = keysOf(randomBytes(32).toString('base64'))
  if (key === undefined) throw new Error('no key was read')
  return key
}

describe('keys', () => {
  test('are read as base64 or hex, the first of several first', () => {
    const bytes = randomBytes(32)
    const forms = [
      bytes.toString('base64'),
      bytes.toString('base64url'),
      bytes.toString('hex'),
      bytes.toString('hex').toUpperCase(),
    ]
    const ids = forms.map((form) => keysOf(form)[0]?.id)
    expect(new Set(ids).size).toBe(1)
    expect(ids[0]).toMatch(/^[0-9a-f]{16}$/)
    const other = randomBytes(32).toString('hex')
    const both = keysOf('# newest first', other, '', `  ${forms[0]}  `)
    expect(both.map(({ id }) => id)).toEqual([keysOf(other)[0]?.id, ids[0]])
  })

  test('that are none are refused by their line, and never repeated', () => {
    const nearly = randomBytes(31).toString('base64')
    for (const text of [nearly, `${randomBytes(32).toString('hex')}\n${nearly}`, '', '# none']) {
      const read = readSealKeys(text)
      expect(read.ok).toBe(false)
      expect(JSON.stringify(read)).not.toContain(nearly)
    }
    const twice = randomBytes(32).toString('hex')
    expect(readSealKeys(`${twice}\n${twice}`).ok).toBe(false)
  })

  test('show nothing of themselves when they are logged', () => {
    const bytes = randomBytes(32)
    const shown = JSON.stringify(keysOf(bytes.toString('hex')))
    expect(shown).not.toContain(bytes.toString('hex'))
    expect(shown.length).toBeLessThan(200)
  })
})

describe('a sealed secret', () => {
  test('opens to what was sealed, with any of the keys', () => {
    const old = freshKey()
    const newest = freshKey()
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (value) => {
        const sealed = sealSecret(old, PLACE, value)
        expect(sealed).toMatch(/^[0-9a-f]{16}\.[A-Za-z0-9_-]+$/)
        expect(openSecret([newest, old], PLACE, sealed)).toEqual({ ok: true, value })
      }),
    )
  })

  test('is the same for the same value and place, and different for any other', () => {
    const key = freshKey()
    const one = sealSecret(key, PLACE, 'a')
    expect(sealSecret(key, PLACE, 'a')).toBe(one)
    const others = [
      sealSecret(key, PLACE, 'b'),
      sealSecret(key, { ...PLACE, name: 'cb' }, 'a'),
      sealSecret(key, { ...PLACE, kind: 'Certificate' }, 'a'),
      sealSecret(key, { ...PLACE, path: 'spec.other' }, 'a'),
      sealSecret(freshKey(), PLACE, 'a'),
    ]
    // The nonce is the first 12 bytes: no two values may share one under a key.
    const nonces = [one, ...others].map((sealed) =>
      Buffer.from(sealed.slice(17), 'base64url').subarray(0, 12).toString('hex'),
    )
    expect(new Set(nonces).size).toBe(nonces.length)
  })

  test('does not open at another place, under another key, or with a bit changed', () => {
    const key = freshKey()
    const sealed = sealSecret(key, PLACE, 'open sesame')
    const damaged = { ok: false, reason: 'damaged', keyId: key.id }
    expect(openSecret([key], { ...PLACE, name: 'other' }, sealed)).toEqual(damaged)
    expect(openSecret([freshKey()], PLACE, sealed)).toEqual({ ...damaged, reason: 'no-key' })
    const bytes = Buffer.from(sealed.slice(17), 'base64url')
    for (let at = 0; at < bytes.length; at++) {
      const other = Buffer.from(bytes)
      other.writeUInt8(other.readUInt8(at) ^ 1, at)
      const text = `${key.id}.${other.toString('base64url')}`
      expect(openSecret([key], PLACE, text), `byte ${at}`).toEqual(damaged)
    }
    expect(openSecret([key], PLACE, `${key.id}.AAAA`)).toEqual(damaged)
    expect(openSecret([key], PLACE, 'nothing of ours')).toMatchObject({ reason: 'no-key' })
  })

  test('is AES-256-GCM as anybody else writes it', () => {
    const bytes = randomBytes(32)
    const [key] = keysOf(bytes.toString('hex'))
    if (key === undefined) throw new Error('no key was read')
    const nonce = randomBytes(12)
    const derived = Buffer.from(hkdfSync('sha256', bytes, '', 'raftway secret encryption', 32))
    const cipher = createCipheriv('aes-256-gcm', derived, nonce)
    cipher.setAAD(Buffer.from('raftway secret\0Secret\0db\0spec.value'))
    const parts = [nonce, cipher.update('by hand'), cipher.final(), cipher.getAuthTag()]
    const text = `${key.id}.${Buffer.concat(parts).toString('base64url')}`
    expect(openSecret([key], PLACE, text)).toEqual({ ok: true, value: 'by hand' })
    expect(keyIdOf(text)).toBe(key.id)
  })
})
