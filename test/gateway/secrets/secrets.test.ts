/**
 * Goal: a Secret is what it was sealed as or nothing, and who needs one that cannot be had is told of.
 * Method: definitions as a gateway gets them, sealed with keys of the test.
 */
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { Secrets } from '../../../gateway/secrets/secrets.ts'
import { readSealKeys, sealSecret, type SealKeys } from '../../../shared/definitions/seal.ts'

const KEYS = newKeys()
const OTHERS = newKeys()

test('a sealed Secret is opened, replaced and gone, and each time its version is another', () => {
  const secrets = new Secrets(KEYS)
  expect(secrets.get('one')).toBeNull()
  const versions = new Set([secrets.version])
  expect(secrets.adopt([secret('one', sealed('one', 'first'))], [])).toEqual([])
  expect(secrets.get('one')).toBe('first')
  versions.add(secrets.version)
  secrets.adopt([secret('one', sealed('one', 'second'))], [])
  expect(secrets.get('one')).toBe('second')
  versions.add(secrets.version)
  secrets.adopt([], [{ kind: 'Secret', name: 'one' }])
  expect(secrets.get('one')).toBeNull()
  versions.add(secrets.version)
  expect(versions.size).toBe(4)
})

test('a directory of definitions may have it plain', () => {
  const secrets = new Secrets([])
  expect(secrets.adopt([secret('one', 'plain')], [])).toEqual([])
  expect(secrets.get('one')).toBe('plain')
})

test.each([
  ['another key', sealed('one', 'x', OTHERS), /which --seal-key does not have/],
  ['another name', sealed('two', 'x'), /damaged/],
  ['a redacted value', { redacted: '0'.repeat(32) }, /redacted/],
])(
  'what was sealed for %s is quarantined, and the form before is not used',
  (_what, value, why) => {
    const secrets = new Secrets(KEYS)
    secrets.adopt([secret('one', sealed('one', 'before'))], [])
    const quarantined = secrets.adopt([secret('one', value)], [])
    expect(quarantined).toEqual([
      { kind: 'Secret', name: 'one', reason: expect.stringMatching(why) as string },
    ])
    expect(secrets.get('one')).toBeNull()
    expect(secrets.adopt([secret('one', sealed('one', 'after'))], [])).toEqual([])
    expect(secrets.get('one')).toBe('after')
  },
)

test('an Api whose plugins need a Secret is told of while that is not there', () => {
  const secrets = new Secrets(KEYS)
  const needy = api('needy', { jwt: { keys: [{ secret: 'a' }, { secret: 'b' }] } })
  const needs = (name: string): unknown[] => [
    { kind: 'Api', name: 'needy', reason: expect.stringContaining(`"${name}"`) as string },
  ]
  expect(secrets.adopt([needy, api('other', {})], [])).toEqual(needs('a'))
  expect(secrets.adopt([secret('a', sealed('a', 'x'))], [])).toEqual(needs('b'))
  expect(secrets.adopt([secret('b', sealed('b', 'x'))], [])).toEqual([])
  expect(secrets.adopt([], [{ kind: 'Secret', name: 'a' }])).toEqual(needs('a'))
  expect(secrets.adopt([api('needy', {})], [])).toEqual([])
  expect(secrets.adopt([needy], [])).toEqual(needs('a'))
  expect(secrets.adopt([], [{ kind: 'Api', name: 'needy' }])).toEqual([])
})

test('a route may need one, too', () => {
  const secrets = new Secrets(KEYS)
  const text = api('shop', undefined, { jwt: { keys: [{ secret: 'a' }] } })
  expect(secrets.adopt([text], [])).toHaveLength(1)
})

function newKeys(): SealKeys {
  const read = readSealKeys(randomBytes(32).toString('base64'))
  if (!read.ok) throw new Error(read.message)
  return read.keys
}

function sealed(name: string, value: string, [key]: SealKeys = KEYS): object {
  if (key === undefined) throw new Error('no key')
  return { sealed: sealSecret(key, { kind: 'Secret', name, path: 'spec.value' }, value) }
}

function secret(name: string, value: unknown): string {
  return JSON.stringify({ kind: 'Secret', name, spec: { value } })
}

function api(name: string, plugins: unknown, ofRoute?: unknown): string {
  const routes = [{ path: '/', plugins: ofRoute }]
  return JSON.stringify({ kind: 'Api', name, spec: { plugins, routes, upstream: 'x' } })
}
