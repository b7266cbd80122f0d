// Messages that hide a second request, one character a byte. Whoever reads `SECOND` as a request has been smuggled to: in
// each message it lies where a body is, or where two readers could disagree about whether one is.

export type Smuggling = { readonly name: string; readonly text: string }

const SECOND = 'GET /smuggled HTTP/1.1\r\nHost: a\r\nX: '
const HOST = 'Host: a\r\n'
const AFTER_CHUNKS = `0\r\n\r\n${SECOND}\r\n\r\n`
const IN_CHUNK = `${SECOND.length.toString(16)}\r\n${SECOND}\r\n0\r\n\r\n`

function post(fields: string, body: string): string {
  return `POST /first HTTP/1.1\r\n${HOST}${fields}\r\n${body}`
}

function each(
  kind: string,
  list: readonly string[],
  text: (variant: string) => string,
): Smuggling[] {
  return list.map((variant) => ({
    name: `${kind}: ${JSON.stringify(variant)}`,
    text: text(variant),
  }))
}

/** Ways to write a coding that some servers read as chunked and others do not see. */
const CODINGS = [
  'Transfer-Encoding: chunked',
  'transfer-encoding: CHUNKED',
  'Transfer-Encoding:chunked',
  'Transfer-Encoding:  chunked',
  'Transfer-Encoding:\tchunked',
  'Transfer-Encoding: \tchunked',
  'Transfer-Encoding: chunked ',
  'Transfer-Encoding: chunked\t',
  'Transfer-Encoding : chunked',
  'Transfer-Encoding\t: chunked',
  ' Transfer-Encoding: chunked',
  '\tTransfer-Encoding: chunked',
  'Transfer-Encoding: xchunked',
  'Transfer-Encoding: chunkedx',
  'Transfer-Encoding: "chunked"',
  "Transfer-Encoding: 'chunked'",
  'Transfer-Encoding: chunked;q=1',
  'Transfer-Encoding: chunked, identity',
  'Transfer-Encoding: identity, chunked',
  'Transfer-Encoding: chunked, chunked',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: ,chunked',
  'Transfer-Encoding: chunked,',
  'Transfer-Encoding: \x0bchunked',
  'Transfer-Encoding: \x0cchunked',
  'Transfer-Encoding: chunked\x0b',
  'Transfer-Encoding: chunked\0',
  'Transfer-Encoding: \x00chunked',
  'Transfer-Encoding: \xa0chunked',
  'Transfer-Encoding: chun\u00a0ked',
  'Transfer-Encoding:\r\n chunked',
  'Transfer-Encoding:\n chunked',
  'Transfer-Encoding: \r\n\tchunked',
  'Transfer-Encoding: identity\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity',
  'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked',
  'Transfer_Encoding: chunked',
  'Transfer-encoding\0: chunked',
  'Transfer\x01-Encoding: chunked',
  'X: y\nTransfer-Encoding: chunked',
  'X: y\rTransfer-Encoding: chunked',
  'X: y\r\r\nTransfer-Encoding: chunked',
  'X: \r\n\r Transfer-Encoding: chunked',
  '"Transfer-Encoding": chunked',
  'Transfer-Encoding;: chunked',
  'Transfer Encoding: chunked',
  'Transfer-Encoding chunked',
  ':Transfer-Encoding: chunked',
  'Foo: bar\r\n\tTransfer-Encoding: chunked',
  'TRANSFER-ENCODING: chunked\r\nConnection: Transfer-Encoding',
]

/** Ways to write a length that some servers read as another number, or not at all. */
const LENGTHS = [
  '0\r\nContent-Length: N',
  'N\r\nContent-Length: 0',
  'N\r\nContent-Length: N',
  '0, N',
  'N, 0',
  'N, N',
  '+N',
  '-N',
  ' 0 N',
  'N ;',
  'Nx',
  '0xN',
  '0N\r\nContent-length: N',
  'N.0',
  '"N"',
  'N\0',
  '\x0bN',
  'N\x0c',
  '\tN',
  'N\t',
  '\r\n N',
  '\n N',
  'N\r',
  '1e2',
  '',
  '00000000000000000000000N',
  '18446744073709551616',
  '9223372036854775808',
  '-1',
  'N\r\nContent_Length: 0',
  '0\r\nContent-Length : N',
  '0\r\n Content-Length: N',
  '0\nContent-Length: N',
  '0\r\n\tN',
]

/** First lines of a chunk: sizes that some servers read as another number. */
const SIZES = [
  '0x2',
  '0X2',
  '+2',
  '-2',
  ' 2',
  '2 ',
  '\t2',
  '2\t',
  '02 ',
  '2;',
  '2 ;a',
  '2;a\n',
  '2;a\rb',
  '2;\0',
  '2;a="\r\n"',
  '2\n',
  '2\r',
  '2\r\r\n',
  '2\x0b',
  '2,2',
  '2.0',
  'g',
  '',
  '\r\n2',
  '\n2',
  '100000000000000002',
  'ffffffffffffffff',
  'fffffffffffffffe',
  '00000000000000000000000000000002',
  '2\0',
  '2_0',
  `2;${'a'.repeat(1_000)}`,
  '0\r\n2',
  '-0',
  '0 0',
]

/** What stands for the end of a line, or of a head. */
const ENDS = [
  '\n',
  '\r',
  '\n\r',
  '\r\r\n',
  ' \r\n',
  '\0\r\n',
  '\x0b\r\n',
  '\x85',
  '\u0085\n',
  '\x0c\r\n',
]

/** Fields whose names only look like those that frame. */
const NAMES = [
  'Content_Length',
  'content-length\x00',
  'Content-Length ',
  ' Content-Length',
  'Content-Length\x0b',
  'Content\x2dLength\t',
  'Content Length',
  'Content-Lengt\xc7',
  '"Content-Length"',
  'Content-Length:',
  'X-Content-Length',
  'Content-Length-',
  'X_Forwarded_For',
  'Content-\r\nLength',
  'X\r\n Content-Length',
  'X: y\r\n\x20\x20Content-Length',
]

/** Targets and first lines that hide something. */
const FIRST_LINES = [
  'POST /first HTTP/1.1 HTTP/1.1',
  'POST /first HTTP/1.1\t',
  'POST  /first HTTP/1.1',
  'POST /first  HTTP/1.1',
  'POST\t/first\tHTTP/1.1',
  'POST /first\tHTTP/1.1',
  'POST /first HTTP/1.1\r\n',
  'POST /first HTTP/1.2',
  'POST /first HTTP/2.0',
  'POST /first HTTP/1.01',
  'POST /first HTTP/01.1',
  'POST /first http/1.1',
  'POST /first',
  'POST /fir\0st HTTP/1.1',
  'POST /fir\rst HTTP/1.1',
  'POST /fir\nst HTTP/1.1',
  'POST /first#x HTTP/1.1',
  'POST /x/../first HTTP/1.1',
  'POST http://a/first HTTP/1.1\r\nHost: b',
  'POST http://a:b@c/first HTTP/1.1',
  'PO ST /first HTTP/1.1',
  '\r\n\r\nPOST /first HTTP/1.1',
  '\nPOST /first HTTP/1.1',
  'PRI * HTTP/2.0',
  'CONNECT a:80 HTTP/1.1',
  'OPTIONS * HTTP/1.1',
]

const chunkedHead = 'Transfer-Encoding: chunked\r\n'

/** Every message; more than 150. */
export const CORPUS: readonly Smuggling[] = [
  ...each('CL.TE', CODINGS, (coding) =>
    post(`Content-Length: ${AFTER_CHUNKS.length}\r\n${coding}\r\n`, AFTER_CHUNKS),
  ),
  ...each('TE.CL', CODINGS, (coding) => post(`${coding}\r\nContent-Length: 4\r\n`, IN_CHUNK)),
  ...each('CL', LENGTHS, (length) =>
    post(`Content-Length: ${length.replaceAll('N', String(SECOND.length))}\r\n`, SECOND),
  ),
  ...each('CL.0', ['GET', 'HEAD', 'DELETE', 'OPTIONS', 'POST', 'PUT', 'TRACE', 'FOO'], (method) =>
    post(`Content-Length: ${SECOND.length}\r\n`, SECOND).replace('POST', method),
  ),
  ...each('TE in HTTP/1.0', ['chunked', 'gzip, chunked', 'identity'], (coding) =>
    post(`Transfer-Encoding: ${coding}\r\n`, AFTER_CHUNKS).replace('HTTP/1.1', 'HTTP/1.0'),
  ),
  ...each('chunk size', SIZES, (size) => post(chunkedHead, `${size}\r\nab\r\n${IN_CHUNK}`)),
  ...each('chunk data end', ENDS, (end) => post(chunkedHead, `2\r\nab${end}${IN_CHUNK}`)),
  ...each('chunk line end', ENDS, (end) => post(chunkedHead, `2${end}ab\r\n${IN_CHUNK}`)),
  ...each('last chunk end', ENDS, (end) => post(chunkedHead, `0${end}${end}${SECOND}`)),
  ...each(
    'trailers',
    ['Content-Length: 9', 'Transfer-Encoding: chunked', 'Host: b', 'X : y', ' X: y', 'X', 'X: \0'],
    (line) => post(chunkedHead, `0\r\n${line}\r\n\r\n${SECOND}`),
  ),
  ...each('field end', ENDS, (end) =>
    post(`X: y${end}Content-Length: ${SECOND.length}\r\n`, SECOND),
  ),
  ...each(
    'head end',
    ENDS,
    (end) => `POST /first HTTP/1.1\r\n${HOST}Content-Length: ${SECOND.length}\r\n${end}${SECOND}`,
  ),
  ...each('field name', NAMES, (name) =>
    post(`${name}: ${SECOND.length}\r\nContent-Length: 0\r\n${chunkedHead}`, IN_CHUNK),
  ),
  ...each(
    'first line',
    FIRST_LINES,
    (line) => `${line}\r\n${HOST}Content-Length: ${SECOND.length}\r\n\r\n${SECOND}`,
  ),
  ...each(
    'host',
    ['a\r\nHost: b', 'a, b', 'a b', 'a@b', 'a/b', 'a\tb', 'a\0', 'a\r\n b', 'a#b', '[a'],
    (host) =>
      `POST /first HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${SECOND.length}\r\n\r\n${SECOND}`,
  ),
  ...each(
    'expectation',
    ['100-continue', '100-Continue ', 'y 100-continue', '100-continue, x'],
    (expect) => post(`Expect: ${expect}\r\nContent-Length: ${SECOND.length}\r\n`, SECOND),
  ),
  ...each('upgrade', ['h2c', 'websocket', 'TLS/1.0', 'HTTP/2.0'], (protocol) =>
    post(
      `Connection: Upgrade\r\nUpgrade: ${protocol}\r\nContent-Length: ${SECOND.length}\r\n`,
      SECOND,
    ),
  ),
  ...each(
    'named by Connection',
    ['Content-Length', 'Host', 'Transfer-Encoding', 'close, Content-Length'],
    (name) => post(`Connection: ${name}\r\nContent-Length: ${SECOND.length}\r\n`, SECOND),
  ),
]
