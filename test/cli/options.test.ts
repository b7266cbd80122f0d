import { expect, test } from 'vitest'
import { readControlUrls } from '../../cli/client-options.ts'
import { nameOfHost } from '../../cli/start/host-name.ts'
import { hostPortText, readHostPort } from '../../cli/start/host-port.ts'
import { shellWords } from '../../cli/dev/words.ts'
import { nameSchema } from '../../shared/definitions/common.ts'

test.for([
  ['127.0.0.1:7400', { host: '127.0.0.1', port: 7400 }],
  ['localhost:0', { host: 'localhost', port: 0 }],
  ['[::1]:65535', { host: '::1', port: 65_535 }],
] as const)('%s is an address, there and back', ([text, expected]) => {
  const address = readHostPort('--api', text)
  expect(address).toEqual(expected)
  expect(hostPortText(address)).toBe(text)
})

test.for(['7400', ':7400', 'h:', 'h:70000', 'h:-1', '::1:7400', 'http://h:1', 'a b:1', 'h:1/x'])(
  '%s is no address',
  (text) => {
    expect(() => readHostPort('--api', text)).toThrow(/--api must be HOST:PORT/)
  },
)

test('control urls are split, trimmed, completed and reduced to their origin', () => {
  expect(readControlUrls('http://a:1/, b:2 ,https://c')).toEqual([
    'http://a:1',
    'http://b:2',
    'https://c',
  ])
})

test.for(['', ' , ', 'ftp://a', 'http://a/path', 'http://a?x=1', 'http://'])(
  '%j names no control plane',
  (bad) => {
    expect(() => readControlUrls(bad)).toThrow(/--control/)
  },
)

test('the host name can name a node', () => {
  expect(nameSchema.safeParse(nameOfHost()).success).toBe(true)
})

test('words for a shell are quoted where they need it', () => {
  expect(shellWords(['curl', '-H', 'Host: a', "it's", 'a=b,c:1/@'])).toBe(
    `curl -H 'Host: a' 'it'\\''s' a=b,c:1/@`,
  )
})
