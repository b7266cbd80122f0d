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
    'x',
    { authority: 'Other.org', host: 'other.org', path: '/p', query: 'q' },
  ],
  [
    'HTTP://other.org:81',
    'x',
    { authority: 'other.org:81', host: 'other.org', path: '/', query: '' },
  ],
  ['http://other.org?q', 'x', { authority: 'other.org', host: 'other.org', path: '/', query: 'q' }],
])('%s with Host %j is taken apart', (target, host, expected) => {
  expect(readTarget(target, host)).toEqual(expected)
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
  ['another scheme', 'ftp://a/b', 'x'],
  ['no path at all', 'a', 'x'],
  ['an absolute target without a host', 'http:///a', 'x'],
  ['a target with credentials', 'http://u:p@h/a', 'x'],
  ['a host with a space', '/', 'a b'],
  ['a host with a path', '/', 'a/b'],
  ['a host with credentials', '/', 'u@h'],
  ['two hosts in one', '/', 'a,b'],
  ['a port that is none', '/', 'a:b'],
])('%s is refused', (_what, target, host) => {
  const read = readTarget(target, host)
  expect(isRefusal(read) && read.code).toBe('BAD_REQUEST')
})

test('a host is lower case, without brackets and port', () => {
  expect(readHost('A.B:1')).toBe('a.b')
  expect(readHost('[2001:DB8::1]')).toBe('2001:db8::1')
  expect(readHost('a:')).toBe('a')
  expect(readHost('a:123456')).toBe(null)
})
