import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readClientHello, type HelloRead } from '../../../gateway/tls/client-hello.ts'
import { CLIENT_HELLO_BYTES_MAX, CLIENT_HELLO_RECORDS_MAX } from '../../../shared/limits.ts'

function sized(bytes: number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts)
  const head = Buffer.alloc(bytes)
  head.writeUIntBE(body.length, 0, bytes)
  return Buffer.concat([head, body])
}

function extension(type: number, body: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(type >> 8, type & 255), sized(2, body)])
}

function named(name: string): Buffer {
  const entry = Buffer.concat([Buffer.of(0), sized(2, Buffer.from(name, 'latin1'))])
  return extension(0, sized(2, entry))
}

/** A ClientHello as a message, with these extensions; null: without the field for them. */
function hello(...extensions: readonly Uint8Array[]): Buffer {
  return message(sized(2, ...extensions))
}

function message(rest: Uint8Array): Buffer {
  const start = Buffer.concat([Buffer.of(3, 3), Buffer.alloc(32, 7), sized(1, Buffer.alloc(32, 9))])
  const body = Buffer.concat([start, sized(2, Buffer.of(0x13, 1)), sized(1, Buffer.of(0)), rest])
  return Buffer.concat([Buffer.of(1), sized(3, body)])
}

/** The message in records of this many bytes. */
function records(bytes: Uint8Array, size = 16_384): Buffer {
  const list: Buffer[] = []
  for (let at = 0; at < bytes.length; at += size) {
    list.push(Buffer.concat([Buffer.of(22, 3, 1), sized(2, bytes.subarray(at, at + size))]))
  }
  return Buffer.concat(list)
}

const OTHERS = [extension(43, Buffer.of(2, 3, 4)), extension(16, Buffer.of(0, 3, 2, 104, 50))]

/** What a reader says that is given one byte more each time, until it has decided. */
function readByBytes(bytes: Uint8Array): HelloRead {
  for (let size = 0; size < bytes.length; size++) {
    const read = readClientHello(bytes.subarray(0, size))
    if (read.type !== 'more') return read
    expect(read.needed).toBeGreaterThan(size)
  }
  return readClientHello(bytes)
}

describe('a ClientHello', () => {
  test.each([
    ['a.example', 'a.example'],
    ['A.Example.', 'a.example'],
    ['_x-1.a.example', '_x-1.a.example'],
  ])('that asks for %j asks for %j', (name, serverName) => {
    const bytes = records(hello(...OTHERS, named(name), ...OTHERS))
    expect(readClientHello(bytes)).toEqual({ type: 'hello', serverName, ticket: null })
  })

  test('that asks for nobody is one, with extensions or without', () => {
    const nobody = { type: 'hello', serverName: null, ticket: null }
    expect(readClientHello(records(hello(...OTHERS)))).toEqual(nobody)
    expect(readClientHello(records(hello()))).toEqual(nobody)
    expect(readClientHello(records(message(Buffer.alloc(0))))).toEqual(nobody)
  })

  test('brings the ticket of an earlier session, as TLS 1.2 and 1.3 have it', () => {
    const ticket = Buffer.alloc(100, 5)
    const identity = Buffer.concat([sized(2, ticket), Buffer.alloc(4)])
    const shared = extension(41, Buffer.concat([sized(2, identity, identity), sized(2)]))
    for (const brought of [extension(35, ticket), shared]) {
      const read = readClientHello(records(hello(...OTHERS, named('a.example'), brought)))
      expect(read).toMatchObject({ type: 'hello', serverName: 'a.example' })
      expect(read.type === 'hello' && Buffer.from(read.ticket ?? []).equals(ticket)).toBe(true)
    }
  })

  test.each([
    ['nothing', extension(35, Buffer.alloc(0))],
    ['no length', extension(41, Buffer.of(9))],
    ['a length that does not fit', extension(41, Buffer.of(0, 4, 0, 9, 1, 2))],
  ])('with %s for a ticket has none, and is judged by whoever does the handshake', (_, odd) => {
    const nobody = { type: 'hello', serverName: null, ticket: null }
    expect(readClientHello(records(hello(odd)))).toEqual(nobody)
  })

  test('may lie in several records, with more behind it', () => {
    const bytes = Buffer.concat([records(hello(named('a.example')), 50), Buffer.from('more')])
    expect(readClientHello(bytes)).toEqual({ type: 'hello', serverName: 'a.example', ticket: null })
  })

  test.each([
    ['a name with a space', hello(named('a b'))],
    ['an empty name', hello(named(''))],
    ['a name with NUL', hello(named('a\0.example'))],
    ['a name that is too long', hello(named(`${'a.'.repeat(200)}example`))],
    ['two dots', hello(named('a..example'))],
    ['two extensions with names', hello(named('a.example'), named('b.example'))],
    ['an extension that is cut', hello(named('a.example').subarray(0, -1))],
    ['a list that is longer than its extension', hello(extension(0, Buffer.of(0, 9, 0, 0, 1, 97)))],
    ['bytes behind its extensions', message(Buffer.concat([sized(2, named('a')), Buffer.of(1)]))],
    ['a name of another type', hello(extension(0, Buffer.of(0, 4, 1, 0, 1, 97)))],
  ])('with %s is malformed', (_what, bytes) => {
    expect(readClientHello(records(bytes)).type).toBe('malformed')
  })

  test('is bounded in bytes and in records', () => {
    const large = hello(extension(21, Buffer.alloc(CLIENT_HELLO_BYTES_MAX)))
    expect(readClientHello(records(large).subarray(0, 9)).type).toBe('malformed')
    const pieces = records(hello(extension(21, Buffer.alloc(CLIENT_HELLO_RECORDS_MAX))), 1)
    expect(readByBytes(pieces).type).toBe('malformed')
  })

  test('is the first message of a connection, in records of the handshake', () => {
    expect(readClientHello(records(Buffer.of(2, 0, 0, 0))).type).toBe('malformed')
    expect(readClientHello(Buffer.of(22, 3, 1, 0, 0)).type).toBe('malformed')
    const other = Buffer.concat([
      records(hello(), 20).subarray(0, 25),
      Buffer.of(23, 3, 3, 0, 1, 0),
    ])
    expect(readClientHello(other).type).toBe('malformed')
    for (const text of ['GET / HTTP/1.1', 'SSH-2.0', '\u0080\u002e']) {
      expect(readClientHello(Buffer.from(text, 'latin1')).type).toBe('other')
    }
    expect(readClientHello(Buffer.of(22, 2)).type).toBe('other')
  })
})

test('any split gives the same, mutated or not, and nothing is read beyond the bytes', () => {
  const mutation = fc.record({ at: fc.nat(260), value: fc.nat(255) })
  const given = fc
    .record({
      size: fc.integer({ min: 1, max: 300 }),
      name: fc.constantFrom('a.example', 'b', 'x'.repeat(60)),
      mutations: fc.array(mutation, { maxLength: 3 }),
      cut: fc.nat(40),
    })
    .map(({ size, name, mutations, cut }) => {
      const bytes = records(hello(...OTHERS, named(name)), size)
      for (const { at, value } of mutations) if (at < bytes.length) bytes[at] = value
      return bytes.subarray(0, bytes.length - cut)
    })
  fc.assert(
    fc.property(given, (bytes) => {
      const whole = readClientHello(bytes)
      expect(readByBytes(bytes)).toEqual(whole)
      const needed = whole.type === 'more' ? whole.needed : Infinity
      expect(needed).toBeGreaterThan(bytes.length)
    }),
    { numRuns: 300 },
  )
})
