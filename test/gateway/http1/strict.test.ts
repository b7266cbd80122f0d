// Goal: RFC 9112 to the letter, and nothing that two readers could understand in two ways. Each case is one rule.
import { describe, expect, test } from 'vitest'
import { HEAD_FIELDS_MAX, METHOD_BYTES_MAX } from '../../../shared/limits.ts'
import { readRequests, readResponses } from './reading.ts'

function requests(text: string) {
  return readRequests([Buffer.from(text, 'latin1')])
}

function responses(text: string, method = 'GET') {
  return readResponses(method, [Buffer.from(text, 'latin1')])
}

const HOST = 'Host: a\r\n'
const CHUNKED = `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n`

describe('a request is refused with', () => {
  test.each([
    ['LF alone behind the first line', `GET / HTTP/1.1\n${HOST}\r\n`],
    ['LF alone behind a field', `GET / HTTP/1.1\r\nHost: a\n\r\n`],
    ['LF alone at the end of the head', `GET / HTTP/1.1\r\n${HOST}\n`],
    ['CR alone in the first line', `GET /\r HTTP/1.1\r\n${HOST}\r\n`],
    ['CR alone behind a field', `GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n`],
    ['NUL in a field', `GET / HTTP/1.1\r\n${HOST}X: a\0b\r\n\r\n`],
    ['a control byte in a field', `GET / HTTP/1.1\r\n${HOST}X: a\x0bb\r\n\r\n`],
    ['DEL in a field', `GET / HTTP/1.1\r\n${HOST}X: a\x7fb\r\n\r\n`],
    ['a folded line', `GET / HTTP/1.1\r\n${HOST}X: a\r\n b\r\n\r\n`],
    ['a folded line behind the first', `GET / HTTP/1.1\r\n ${HOST}\r\n`],
    ['a space before the colon', `GET / HTTP/1.1\r\nHost : a\r\n\r\n`],
    ['a tab before the colon', `GET / HTTP/1.1\r\nHost\t: a\r\n\r\n`],
    ['an empty name', `GET / HTTP/1.1\r\n${HOST}: b\r\n\r\n`],
    ['no colon', `GET / HTTP/1.1\r\n${HOST}X\r\n\r\n`],
    ['a name that is no token', `GET / HTTP/1.1\r\n${HOST}X(y): b\r\n\r\n`],
    ['a name beyond ASCII', `GET / HTTP/1.1\r\n${HOST}X\xe9: b\r\n\r\n`],
    ['a method that is no token', `G(T / HTTP/1.1\r\n${HOST}\r\n`],
    ['a method that is too long', `${'A'.repeat(METHOD_BYTES_MAX + 1)} / HTTP/1.1\r\n${HOST}\r\n`],
    ['two spaces before the target', `GET  / HTTP/1.1\r\n${HOST}\r\n`],
    ['two spaces before the version', `GET /  HTTP/1.1\r\n${HOST}\r\n`],
    ['a space behind the version', `GET / HTTP/1.1 \r\n${HOST}\r\n`],
    ['a tab for a space', `GET\t/ HTTP/1.1\r\n${HOST}\r\n`],
    ['no target', `GET HTTP/1.1\r\n${HOST}\r\n`],
    ['no version', `GET /\r\n${HOST}\r\n`],
    ['a target beyond ASCII', `GET /\xe9 HTTP/1.1\r\n${HOST}\r\n`],
    ['a lower-case version', `GET / http/1.1\r\n${HOST}\r\n`],
    ['no Host', 'GET / HTTP/1.1\r\n\r\n'],
    ['two Hosts', `GET / HTTP/1.1\r\n${HOST}${HOST}\r\n`],
    ['an expectation that cannot be met', `GET / HTTP/1.1\r\n${HOST}Expect: 200-ok\r\n\r\n`],
    ['two empty lines before it', `\r\n\r\nGET / HTTP/1.1\r\n${HOST}\r\n`],
    ['LF before it', `\nGET / HTTP/1.1\r\n${HOST}\r\n`],
    ['CR before it', `\rGET / HTTP/1.1\r\n${HOST}\r\n`],
  ])('%s', (_what, text) => {
    expect(requests(text)).toMatchObject({ messages: [], refusal: { code: 'BAD_REQUEST' } })
  })

  test.each([
    ['two equal lengths', 'Content-Length: 1\r\nContent-Length: 1\r\n'],
    ['two lengths', 'Content-Length: 1\r\nContent-Length: 2\r\n'],
    ['a list of equal lengths', 'Content-Length: 1, 1\r\n'],
    ['a length with a sign', 'Content-Length: +1\r\n'],
    ['a negative length', 'Content-Length: -1\r\n'],
    ['a length in hexadecimal', 'Content-Length: 0x1\r\n'],
    ['a length with a fraction', 'Content-Length: 1.0\r\n'],
    ['a length with a space in it', 'Content-Length: 1 1\r\n'],
    ['an empty length', 'Content-Length: \r\n'],
    ['a length beyond numbers', 'Content-Length: 18446744073709551617\r\n'],
    ['a length in other digits', 'Content-Length: \xb2\r\n'],
    ['a length and a coding', 'Content-Length: 1\r\nTransfer-Encoding: chunked\r\n'],
    ['a coding and a length', 'Transfer-Encoding: chunked\r\nContent-Length: 1\r\n'],
    ['two codings', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n'],
    ['a coding twice', 'Transfer-Encoding: chunked, identity\r\n'],
    ['chunked before another coding', 'Transfer-Encoding: chunked, gzip\r\n'],
    ['another coding', 'Transfer-Encoding: gzip\r\n'],
    ['the identity coding', 'Transfer-Encoding: identity\r\n'],
    ['a coding that only begins so', 'Transfer-Encoding: chunkedx\r\n'],
    ['a coding that only ends so', 'Transfer-Encoding: xchunked\r\n'],
    ['a quoted coding', 'Transfer-Encoding: "chunked"\r\n'],
    ['a coding with a parameter', 'Transfer-Encoding: chunked;q=1\r\n'],
    ['a tab behind the length', 'Content-Length: 1\t\r\n'],
    ['a tab before the coding', 'Transfer-Encoding:\tchunked\r\n'],
    ['an empty coding', 'Transfer-Encoding:\r\n'],
    ['a length that hides behind an underscore', 'Content_Length: 1\r\n'],
    ['a coding that hides behind an underscore', 'Transfer_Encoding: chunked\r\n'],
    ['a client address that hides behind an underscore', 'X_Forwarded_For: 10.0.0.1\r\n'],
  ])('%s', (_what, fields) => {
    const text = `POST / HTTP/1.1\r\n${HOST}${fields}\r\n0\r\n\r\n`
    expect(requests(text)).toMatchObject({ messages: [], refusal: { code: 'BAD_REQUEST' } })
  })

  test('a coding before chunked: 501', () => {
    const text = `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: gzip, chunked\r\n\r\n`
    expect(requests(text).refusal?.code).toBe('TRANSFER_CODING_NOT_SUPPORTED')
  })

  test.each(['HTTP/0.9', 'HTTP/1.2', 'HTTP/2.0', 'HTTP/3.0'])('version %s: 505', (version) => {
    const text = `GET / ${version}\r\n${HOST}\r\n`
    expect(requests(text).refusal?.code).toBe('HTTP_VERSION_NOT_SUPPORTED')
  })

  test('a coding in HTTP/1.0', () => {
    const text = 'POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'
    expect(requests(text).refusal?.code).toBe('BAD_REQUEST')
  })

  test('more fields than are taken: 431', () => {
    const fields = 'X: y\r\n'.repeat(HEAD_FIELDS_MAX)
    expect(requests(`GET / HTTP/1.1\r\n${HOST}${fields}\r\n`).refusal?.code).toBe('HEAD_TOO_LARGE')
    expect(requests(`GET / HTTP/1.0\r\n${fields}\r\n`).outcome).toBe('end')
  })
})

describe('a chunked body is refused with', () => {
  test.each([
    ['a size that is none', 'x\r\n'],
    ['no size', '\r\n'],
    ['a sign', '+1\r\na\r\n0\r\n\r\n'],
    ['0x', '0x1\r\na\r\n0\r\n\r\n'],
    ['a space before the size', ' 1\r\na\r\n0\r\n\r\n'],
    ['a space behind the size', '1 \r\na\r\n0\r\n\r\n'],
    ['a space before the extension', '1 ;a\r\na\r\n0\r\n\r\n'],
    ['LF alone behind the size', '1\na\r\n0\r\n\r\n'],
    ['CR alone behind the size', '1\ra\r\n0\r\n\r\n'],
    ['LF alone behind the data', '1\r\na\n0\r\n\r\n'],
    ['data that is longer than its size', '1\r\nab\r\n0\r\n\r\n'],
    ['data that is shorter than its size', '3\r\na\r\n0\r\n\r\n0\r\n\r\n'],
    ['a size that overflows', 'ffffffffffffffff1\r\na\r\n0\r\n\r\n'],
    ['more zeros than a size has digits', '00000000000000001\r\na\r\n0\r\n\r\n'],
    ['an extension that is too long', `1;${'a'.repeat(300)}\r\na\r\n0\r\n\r\n`],
    ['an extension without a name', '1;\r\na\r\n0\r\n\r\n'],
    ['an extension without its value', '1;a=\r\na\r\n0\r\n\r\n'],
    ['a quote without an end', '1;a="b\r\na\r\n0\r\n\r\n'],
    ['a space in an extension', '1;a b\r\na\r\n0\r\n\r\n'],
    ['LF in an extension', '1;a\nb\r\na\r\n0\r\n\r\n'],
    ['NUL in an extension', '1;a\0\r\na\r\n0\r\n\r\n'],
    ['a length among the trailers', '0\r\nContent-Length: 1\r\n\r\n'],
    ['a coding among the trailers', '0\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['a Host among the trailers', '0\r\nHost: b\r\n\r\n'],
    ['a trailer that is none', '0\r\nX\r\n\r\n'],
    ['a folded trailer', '0\r\nX: y\r\n z\r\n\r\n'],
    ['LF alone behind a trailer', '0\r\nX: y\n\r\n'],
  ])('%s', (_what, body) => {
    expect(requests(CHUNKED + body)).toMatchObject({
      messages: [],
      refusal: { code: 'BAD_REQUEST' },
    })
  })

  test('too many trailers: 431', () => {
    const trailers = `X: ${'a'.repeat(1_000)}\r\n`.repeat(10)
    expect(requests(`${CHUNKED}0\r\n${trailers}\r\n`).refusal?.code).toBe('HEAD_TOO_LARGE')
  })
})

describe('what is legal is read as it is meant', () => {
  test('a request with everything', () => {
    const text =
      'PATCH /a/b?c=d HTTP/1.1\r\nhOsT:\t a \t\r\nX-Empty:\r\nX: a, b\xff\r\nX: c\r\n' +
      'Transfer-Encoding: Chunked\r\n\r\n5;ext="x"\r\nhello\r\nA\r\n0123456789\r\n000\r\nT: u\r\n\r\n'
    expect(requests(text)).toEqual({
      messages: [
        {
          line: 'PATCH /a/b?c=d 1',
          fields: [
            ['hOsT', 'a'],
            ['X-Empty', ''],
            ['X', 'a, b\xff'],
            ['X', 'c'],
            ['Transfer-Encoding', 'Chunked'],
          ],
          body: 'hello0123456789',
          trailers: [['T', 'u']],
        },
      ],
      outcome: 'end',
      refusal: null,
    })
  })

  test('requests one behind another', () => {
    const text = `POST / HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\nabcGET /b HTTP/1.0\r\n\r\n\r\nGET /c HTTP/1.1\r\n${HOST}\r\n`
    const { messages } = requests(text)
    expect(messages.map(({ line, body }) => [line, body])).toEqual([
      ['POST / 1', 'abc'],
      ['GET /b 0', ''],
      ['GET /c 1', ''],
    ])
  })

  test.each([
    ['a length', 'Content-Length: 2\r\n\r\nok', 'GET', 'ok'],
    ['chunks', 'Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n', 'GET', 'ok'],
    ['the end of the connection', '\r\nok', 'GET', 'ok'],
    ['HEAD', 'Content-Length: 2\r\n\r\n', 'HEAD', ''],
  ])('an answer that ends with %s', (_what, rest, method, body) => {
    const reading = responses(`HTTP/1.1 200 OK\r\n${rest}`, method)
    expect(reading).toMatchObject({ outcome: 'end', messages: [{ line: '200 1', body }] })
  })

  test.each(['HTTP/1.1 200\r\n', 'HTTP/1.1 200 \r\n', 'HTTP/1.0 200 a b \xff\r\n'])(
    'the status line %j',
    (line) => {
      expect(responses(`${line}Content-Length: 0\r\n\r\n`).outcome).toBe('end')
    },
  )
})

describe('an answer is refused with', () => {
  test.each([
    ['another version', 'HTTP/2.0 200 OK\r\n\r\n'],
    ['no version', 'ICY 200 OK\r\n\r\n'],
    ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n'],
    ['a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n'],
    ['a status below all', 'HTTP/1.1 099 OK\r\n\r\n'],
    ['a status above all', 'HTTP/1.1 600 OK\r\n\r\n'],
    ['a sign in the status', 'HTTP/1.1 +20 OK\r\n\r\n'],
    ['two spaces before the status', 'HTTP/1.1  200 OK\r\n\r\n'],
    ['LF alone behind the first line', 'HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n'],
    ['a control byte in the reason', 'HTTP/1.1 200 O\x01K\r\n\r\n'],
    ['an empty line before it', '\r\nHTTP/1.1 200 OK\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na'],
    [
      'a length and a coding',
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
    ],
    ['a coding in HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['another coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n'],
    ['a folded line', 'HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n'],
  ])('%s', (_what, text) => {
    expect(responses(text)).toMatchObject({ messages: [], outcome: 'refused' })
  })
})
