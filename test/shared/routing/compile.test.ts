import { expect, test } from 'vitest'
import { compileUpstream } from '../../../shared/routing/compile-upstream.ts'
import { compileRegex } from '../../../shared/routing/regex.ts'

test.each([
  ['http://10.0.0.1:9001', 'http://10.0.0.1:9001', false, '10.0.0.1', 9001, '10.0.0.1:9001'],
  ['http://10.0.0.1:80', 'http://10.0.0.1', false, '10.0.0.1', 80, '10.0.0.1'],
  ['https://a.example:443/', 'https://a.example', true, 'a.example', 443, 'a.example'],
  ['https://a.example:80', 'https://a.example:80', true, 'a.example', 80, 'a.example:80'],
  ['HTTP://A.Example:080', 'http://a.example', false, 'a.example', 80, 'a.example'],
  ['http://127.1', 'http://127.0.0.1', false, '127.0.0.1', 80, '127.0.0.1'],
  ['http://0x7f.1', 'http://127.0.0.1', false, '127.0.0.1', 80, '127.0.0.1'],
  ['http://010.0.0.1', 'http://8.0.0.1', false, '8.0.0.1', 80, '8.0.0.1'],
  ['http://[0:0::1]:81', 'http://[::1]:81', false, '::1', 81, '[::1]:81'],
  [
    'http://bücher.example',
    'http://xn--bcher-kva.example',
    false,
    'xn--bcher-kva.example',
    80,
    'xn--bcher-kva.example',
  ],
])('the target %s is taken apart', (url, ...parts) => {
  const [origin, isTls, host, port, authority] = parts
  const { targets } = compileUpstream('k', { targets: [{ url }] })
  expect(targets).toEqual([{ origin, isTls, host, serverName: host, port, authority, weight: 1 }])
  expect(targets[0]?.origin).toBe(new URL(url).origin)
})

test('an upstream of which only targets are given has the defaults', () => {
  const spec = { targets: [{ url: 'http://a', weight: 0 }] }
  expect(compileUpstream('Upstream/a', spec)).toMatchObject({
    key: 'Upstream/a',
    balance: 'round-robin',
    connectMs: 3_000,
    firstByteMs: 30_000,
    idleMs: 60_000,
    retries: 1,
    connectionsMax: 256,
    keepAliveMs: 60_000,
    hostHeader: 'client',
    targets: [{ weight: 0 }],
  })
})

test('what an upstream says itself stands', () => {
  const compiled = compileUpstream('k', {
    targets: [{ url: 'http://a' }],
    balance: 'ip-hash',
    timeouts: { connectMs: 1, firstByteMs: 2, idleMs: 3 },
    retries: { attempts: 0 },
    keepAlive: { connectionsMax: 5, idleMs: 6 },
    hostHeader: 'target',
  })
  expect(compiled).toMatchObject({
    balance: 'ip-hash',
    connectMs: 1,
    firstByteMs: 2,
    idleMs: 3,
    retries: 0,
    connectionsMax: 5,
    keepAliveMs: 6,
    hostHeader: 'target',
  })
})

// The literal must never be longer than what every match begins with: a route would be missed.
test.each([
  ['^/abc[0-9]+', '/abc', true],
  ['^/abc', '/abc', true],
  ['^/abc$', '/abc', true],
  ['\\A/x', '/x', true],
  ['^/a?', '/', true],
  ['^/a*', '/', true],
  ['^/a+', '/a', true],
  ['^/a{2}', '/aa', true],
  ['^/a{0,2}', '/', true],
  ['^/(a|b)', '/', true],
  ['^(/x)y', '/xy', true],
  ['^(?:/x)?y', '', true],
  ['^/a\\.b', '/a.b', true],
  ['^/\\Qa|b\\E', '/a|b', true],
  ['^/日😀x', '/日😀x', true],
  ['^/a(?i)b', '/a', true],
  ['(?i)^/abc', '/', true],
  ['^/a|^/b', '', false],
  ['^/a|b', '', false],
  ['^*/x', '', false],
  ['(?m)^/x', '', false],
  ['/abc', '', false],
  ['', '', false],
])('every match of %s begins with "%s"', (source, literal, isAnchored) => {
  const compiled = compileRegex(source)
  expect(compiled.ok && compiled.regex).toMatchObject({ literal, isAnchored })
})
