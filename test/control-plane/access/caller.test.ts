// A row of a table that fails is named: the rule does not know it.
/* oxlint-disable vitest/valid-expect */
import { expect, test } from 'vitest'
import {
  authorOf,
  decodeCaller,
  encodeCaller,
  localCaller,
  type Caller,
} from '../../../control-plane/access/caller.ts'

const CALLER: Caller = {
  via: 'token',
  name: 'ci',
  role: 'editor',
  kinds: ['Api'],
  address: '10.0.0.9',
}
const HEAD = { method: 'PUT', target: '/v1/apis/a', key: 'k' }
const SECRET = 'forwarding secret'

test('a caller arrives as it was sent', () => {
  expect(decodeCaller(encodeCaller(CALLER, HEAD, SECRET), HEAD, SECRET)).toEqual(CALLER)
  expect(decodeCaller(encodeCaller(CALLER, HEAD, null), HEAD, null)).toEqual(CALLER)
})

test('a header that no node of the cluster wrote for this very call is worth nothing', () => {
  const good = encodeCaller(CALLER, HEAD, SECRET)
  const [text = '', mac = ''] = good.split('.')
  const admin = Buffer.from(JSON.stringify({ ...CALLER, role: 'admin' })).toString('base64url')
  for (const forged of [
    encodeCaller(CALLER, HEAD, 'another secret'),
    encodeCaller(CALLER, HEAD, null),
    `${admin}.${mac}`,
    `${text}.`,
    `${text}.${mac.slice(1)}`,
    '',
    '.',
    'x',
  ]) {
    expect(decodeCaller(forged, HEAD, SECRET), forged).toBeNull()
  }
  for (const other of [
    { ...HEAD, method: 'DELETE' },
    { ...HEAD, target: '/v1/apis/b' },
    { ...HEAD, key: 'l' },
  ]) {
    expect(decodeCaller(good, other, SECRET)).toBeNull()
  }
})

test('what is vouched for and yet no caller is no caller', () => {
  const odd: unknown = { ...CALLER, role: 'god' }
  // A value of the wrong type, as a node of another version might send it.
  expect(decodeCaller(encodeCaller(odd as Caller, HEAD, SECRET), HEAD, SECRET)).toBeNull()
})

test('a claimed author never stands for a proved name', () => {
  expect(authorOf(CALLER, null)).toBe('token:ci')
  expect(authorOf(CALLER, 'alice')).toBe('alice via token:ci')
  expect(authorOf(localCaller('127.0.0.1'), 'alice')).toBe('alice')
  expect(authorOf(localCaller('127.0.0.1'), null)).toBe('anonymous')
})
