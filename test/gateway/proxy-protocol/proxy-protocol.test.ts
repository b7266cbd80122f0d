import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ProxyEndpoints } from '../../../gateway/proxy-protocol/proxy-header.ts'
import {
  readProxyHeader,
  type ProxyRead,
} from '../../../gateway/proxy-protocol/read-proxy-header.ts'
import { writeProxyHeader } from '../../../gateway/proxy-protocol/write-proxy-header.ts'
import { PROXY_HEADER_BYTES_MAX, PROXY_LINE_BYTES_MAX } from '../../../shared/limits.ts'

const SIGNATURE = '0d0a0d0a000d0a515549540a'

function line(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}

function hex(text: string): Buffer {
  return Buffer.from(`${SIGNATURE}${text.replaceAll(' ', '')}`, 'hex')
}

function ends(source: string, destination: string): ProxyEndpoints {
  const end = (text: string) => {
    const at = text.lastIndexOf('/')
    return { address: text.slice(0, at), port: Number(text.slice(at + 1)) }
  }
  return { source: end(source), destination: end(destination) }
}

describe('version 1', () => {
  test.each([
    ['PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n', '192.168.0.1/56324', '192.168.0.11/443'],
    [
      'PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n',
      '255.255.255.255/65535',
      '255.255.255.255/65535',
    ],
    [
      'PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n',
      'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/65535',
      'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/65535',
    ],
    ['PROXY TCP6 2001:db8::1 ::1 1 0\r\n', '2001:db8::1/1', '::1/0'],
  ])('%j is read, and written the same', (text, source, destination) => {
    const endpoints = ends(source, destination)
    expect(readProxyHeader(line(`${text}GET / HTTP/1.1\r\n`))).toEqual({
      type: 'header',
      endpoints,
      length: text.length,
    })
    expect(Buffer.from(writeProxyHeader('v1', endpoints)).toString('latin1')).toBe(text)
  })

  test.each([
    'PROXY UNKNOWN\r\n',
    'PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n',
  ])('%j tells nothing', (text) => {
    const read = { type: 'header', endpoints: null, length: text.length }
    expect(readProxyHeader(line(`${text}x`))).toEqual(read)
  })

  test.each([
    'PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\n\r\n',
    'PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\r\n',
    'PROXY TCP4  192.168.0.1 192.168.0.11 56324 443\r\n',
    'PROXY TCP4 192.168.0.1 192.168.0.11 56324 443 \r\n',
    'PROXY TCP4 192.168.0.1 192.168.0.11 056324 443\r\n',
    'PROXY TCP4 192.168.0.1 192.168.0.11 56324 65536\r\n',
    'PROXY TCP4 192.168.0.1 192.168.0.11 -1 443\r\n',
    'PROXY TCP4 192.168.0.256 192.168.0.11 1 443\r\n',
    'PROXY TCP4 2001:db8::1 ::1 1 443\r\n',
    'PROXY TCP6 192.168.0.1 192.168.0.11 1 443\r\n',
    'PROXY UDP4 192.168.0.1 192.168.0.11 1 443\r\n',
    'PROXY tcp4 192.168.0.1 192.168.0.11 1 443\r\n',
    'PROXY UNKNOWNX\r\n',
    'PROXY \r\n',
    'PROXY TCP4 192.168.0.1\t192.168.0.11 1 443\r\n',
    `PROXY UNKNOWN ${'x'.repeat(PROXY_LINE_BYTES_MAX)}\r\n`,
  ])('%j is refused', (text) => {
    expect(readProxyHeader(line(text)).type).toBe('refused')
  })

  test('a line of the greatest length is read, and one byte more is not', () => {
    const text = (spare: number) =>
      `PROXY UNKNOWN ${'x'.repeat(PROXY_LINE_BYTES_MAX - 16 + spare)}\r\n`
    expect(readProxyHeader(line(text(0)))).toMatchObject({ length: PROXY_LINE_BYTES_MAX })
    expect(readProxyHeader(line(text(1))).type).toBe('refused')
  })
})

describe('version 2', () => {
  test.each([
    ['21 11 000c c0a80001 c0a8000b dc04 01bb', '192.168.0.1/56324', '192.168.0.11/443'],
    [
      '21 21 0024 20010db8000000000000000000000001 00000000000000000000000000000001 0001 01bb',
      '2001:db8::1/1',
      '::1/443',
    ],
  ])('%s is read, and written the same', (text, source, destination) => {
    const endpoints = ends(source, destination)
    const bytes = hex(text)
    const read = { type: 'header', endpoints, length: bytes.length }
    expect(readProxyHeader(Buffer.concat([bytes, line('more')]))).toEqual(read)
    expect(Buffer.from(writeProxyHeader('v2', endpoints))).toEqual(bytes)
  })

  test('additional fields are skipped', () => {
    const bytes = hex('21 11 0013 c0a80001 c0a8000b dc04 01bb 04 0004 00000000')
    const endpoints = ends('192.168.0.1/56324', '192.168.0.11/443')
    expect(readProxyHeader(bytes)).toEqual({ type: 'header', endpoints, length: bytes.length })
  })

  test.each([
    ['LOCAL', '20 00 0000'],
    ['LOCAL with addresses', '20 11 000c c0a80001 c0a8000b dc04 01bb'],
    ['LOCAL with a family and no addresses', '20 11 0000'],
    ['no family', '21 00 0000'],
    ['datagrams', '21 12 000c c0a80001 c0a8000b dc04 01bb'],
    ['sockets of a machine', `21 31 00d8 ${'2f'.repeat(216)}`],
  ])('%s tells nothing', (_what, text) => {
    const bytes = hex(text)
    expect(readProxyHeader(bytes)).toEqual({
      type: 'header',
      endpoints: null,
      length: bytes.length,
    })
  })

  test.each([
    ['another version', '31 11 000c c0a80001 c0a8000b dc04 01bb'],
    ['an unknown command', '22 11 000c c0a80001 c0a8000b dc04 01bb'],
    ['an unknown family', '21 41 000c c0a80001 c0a8000b dc04 01bb'],
    ['an unknown transport', '21 13 000c c0a80001 c0a8000b dc04 01bb'],
    ['no room for its addresses', '21 11 000b c0a80001 c0a8000b dc04 01'],
    ['more than is taken', '21 11 ffff'],
  ])('%s is refused', (_what, text) => {
    expect(readProxyHeader(hex(text)).type).toBe('refused')
  })

  test('the greatest length is read', () => {
    const size = (PROXY_HEADER_BYTES_MAX - 16).toString(16).padStart(4, '0')
    const bytes = Buffer.concat([hex(`20 00 ${size}`), Buffer.alloc(PROXY_HEADER_BYTES_MAX - 16)])
    expect(readProxyHeader(bytes)).toMatchObject({ length: PROXY_HEADER_BYTES_MAX })
  })
})

test.each(['GET / HTTP/1.1\r\n', 'PROX', 'PUT /', '\r\n\r\nGET', '\u0016\u0003\u0001'])(
  '%j is no header, from the byte on that says so',
  (text) => {
    const bytes = line(`${text}............`)
    expect(readProxyHeader(bytes)).toEqual({ type: 'absent' })
    expect(readProxyHeader(bytes.subarray(0, 1)).type).not.toBe('header')
  },
)

test('ends of two families are told as IPv6, and what is no address as unknown', () => {
  const mixed = ends('192.0.2.1/1', '2001:db8::1/2')
  expect(readProxyHeader(writeProxyHeader('v1', mixed))).toMatchObject({ endpoints: mixed })
  expect(readProxyHeader(writeProxyHeader('v2', mixed))).toMatchObject({ endpoints: mixed })
  const unreadable = ends('/0', '2001:db8::1/2')
  for (const version of ['v1', 'v2'] as const) {
    const read = readProxyHeader(writeProxyHeader(version, unreadable))
    expect(read).toMatchObject({ type: 'header', endpoints: null })
  }
})

/** What a reader says that is given one byte more each time, until it has decided. */
function readByBytes(bytes: Uint8Array): ProxyRead {
  for (let size = 0; size < bytes.length; size++) {
    const read = readProxyHeader(bytes.subarray(0, size))
    if (read.type !== 'more') return read
    expect(read.needed).toBeGreaterThan(size)
  }
  return readProxyHeader(bytes)
}

test('any split gives the same, and nothing is promised that does not come', () => {
  const address = fc.oneof(fc.ipV4(), fc.ipV6())
  const end = fc.record({ address, port: fc.nat(65_535) })
  const header = fc
    .record({
      version: fc.constantFrom('v1' as const, 'v2' as const),
      endpoints: fc.record({ source: end, destination: end }),
      rest: fc.uint8Array({ maxLength: 20 }),
      damage: fc.option(fc.record({ at: fc.nat(250), value: fc.nat(255) })),
    })
    .map(({ version, endpoints, rest, damage }) => {
      const bytes = Buffer.concat([writeProxyHeader(version, endpoints), rest])
      if (damage !== null && damage.at < bytes.length) bytes[damage.at] = damage.value
      return bytes
    })
  fc.assert(
    fc.property(header, (bytes) => {
      const whole = readProxyHeader(bytes)
      expect(readByBytes(bytes)).toEqual(whole)
      const end = whole.type === 'header' ? whole.length : 0
      expect(end).toBeLessThanOrEqual(bytes.length)
      const needed = whole.type === 'more' ? whole.needed : Infinity
      expect(needed).toBeGreaterThan(bytes.length)
    }),
    { numRuns: 300 },
  )
})
