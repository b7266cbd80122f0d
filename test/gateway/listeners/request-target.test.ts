import { expect, test } from 'vitest'
import { isRefusal, readHost, readTarget } from '../../../gateway/listeners/request-target.ts'

test.each([
  ['/', 'example.com', { authority: 'example.com', host: 'example.com', path: '/', query: '' }],
  [
    '/a/b?c=d?e',
    'EXAMPLE.com:8080',
    { authority: 'EXAMPLE.com:8080', host: 'example.com', path: '/a/b', query: 'c=d?e' },
  ],
  ['/a?', '[::1]:80', { authority: '[::1]:80', host: '::1', path: '/a', query: '' }],
  ['//a//b', '', { authority: '', host: '', path: '//a//b', query: '' }],
  ['/a%2Fb', 'x', { authority: 'x', host: 'x', path: '/a%2Fb', query: '' }],
  ['/.well-known/x', 'x', { authority: 'x', host: 'x', path: '/.well-known/x', query: '' }],
  ['/a..b/...', 'x', { authority: 'x', host: 'x', path: '/a..b/...', query: '' }],
  ['/a?b=/../c', 'x', { authority: 'x', host: 'x', path: '/a', query: 'b=/../c' }],
  [
    'http://Other.org/p?q',
    'other.ORG',
    { authority: 'Other.org', host: 'other.org', path: '/p', query: 'q' },
  ],
  [
    'HTTP://other.org:81',
    'other.org:81',
    { authority: 'other.org:81', host: 'other.org', path: '/', query: '' },
  ],
  [
    'http://other.org?q',
    'other.org:80',
    { authority: 'other.org', host: 'other.org', path: '/', query: 'q' },
  ],
])('%s with Host %j is taken apart', (target, host, expected) => {
  expect(readTarget({ target, host }, 'http')).toEqual(expected)
})

test.each([
  ['a dot segment', '/a/../b', 'x'],
  ['a dot segment at the end', '/a/..', 'x'],
  ['a single dot', '/./a', 'x'],
  ['an encoded dot', '/a/%2e%2E/b', 'x'],
  ['half encoded dots', '/a/.%2e/b', 'x'],
  ['dots before an encoded slash', '/a/..%2Fb', 'x'],
  ['dots between backslashes', '/a\\..\\b', 'x'],
  ['dots before a parameter', '/a/..;x/b', 'x'],
  ['a fragment', '/a#b', 'x'],
  ['another scheme', 'ftp://x/b', 'x'],
  ['an absolute target with another host than the field', 'http://a/b', 'x'],
  ['one with another port', 'http://x:81/b', 'x'],
  ['one with the default port of the other scheme', 'http://x:443/b', 'x'],
  ['one beside an empty Host', 'http://x/b', ''],
  ['no path at all', 'a', 'x'],
  ['an absolute target without a host', 'http:///a', 'x'],
  ['a target with credentials', 'http://u:p@h/a', 'x'],
  ['a host with a space', '/', 'a b'],
  ['a host with a path', '/', 'a/b'],
  ['a host with credentials', '/', 'u@h'],
  ['two hosts in one', '/', 'a,b'],
  ['a port that is none', '/', 'a:b'],
])('%s is refused', (_what, target, host) => {
  const read = readTarget({ target, host }, 'any')
  expect(isRefusal(read) && read.code).toBe('BAD_REQUEST')
})

test('a host is lower case, without brackets and port', () => {
  expect(readHost('A.B:1')).toBe('a.b')
  expect(readHost('[2001:DB8::1]')).toBe('2001:db8::1')
  expect(readHost('a:')).toBe('a')
  expect(readHost('a:123456')).toBe(null)
})

test.each([
  ['http://x/', 'http', true],
  ['https://x/', 'http', false],
  ['http://x/', 'https', false],
  ['https://x/', 'https', true],
  ['https://x:443/', 'any', true],
] as const)('%s on a connection of %s', (target, scheme, isTaken) => {
  const read = readTarget({ target, host: 'x' }, scheme)
  expect(isRefusal(read) ? read.code : null).toBe(isTaken ? null : 'MISDIRECTED_REQUEST')
})

test('HTTP/1.0 may name its host in the target alone', () => {
  const read = readTarget({ target: 'http://x/a', host: null }, 'http')
  expect(read).toMatchObject({ host: 'x', path: '/a' })
})
