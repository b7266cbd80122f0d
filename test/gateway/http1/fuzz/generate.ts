// Streams of requests and answers from a seed: mostly legal, with the oddities that parsers disagree about, and bytes that
// were damaged afterwards.
import type { Random } from '../../../../shared/random.ts'

const METHODS = ['GET', 'POST', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'] as const
const TARGETS = [
  '/',
  '/a?b=c',
  '/%2e%2e/',
  'http://a/b',
  '*',
  '/a"b',
  '/\xff',
  '/a#b',
  '',
  ' /',
] as const
const VERSIONS = [
  'HTTP/1.0',
  'HTTP/1.2',
  'HTTP/0.9',
  'HTTP/2.0',
  'http/1.1',
  'HTTP/11',
  'HTTP/1.1 ',
] as const
const ENDS = ['\n', '\r', '\r\r\n', '\n\r', ' \r\n', '\0\r\n'] as const
const NAMES = [
  'X',
  'Accept',
  'X-Long-Name',
  "!#$%&'*+-.^_`|~",
  'Cookie',
  'Date',
  'Content_Length',
  'X y',
  'X\t',
  '',
  'X\xe9',
  ' X',
] as const
const VALUES = [
  '',
  'a',
  'a, b',
  ' a',
  'a \t',
  '\xff\x80',
  'a\x01b',
  'a\x7f',
  'a\0',
  'a\r b',
  '"q"',
  'a\tb',
] as const
const LENGTHS = [
  '+3',
  '-3',
  '3x',
  '0x3',
  '3, 3',
  '03',
  ' 3',
  '3 ',
  '',
  '9999999999999999999',
  '3\t',
  '\x0b3',
] as const
const CODINGS = [
  'Chunked',
  'gzip',
  'gzip, chunked',
  'chunked, gzip',
  'chunked,chunked',
  'identity',
  'xchunked',
  'chunkedx',
  '"chunked"',
  '\x0bchunked',
  'chunked;q=1',
  ',chunked',
  'chunked,',
  '',
] as const
const SIZES = [
  '+3',
  '-3',
  '0x3',
  ' 3',
  '3 ',
  '3\t',
  '',
  'g',
  '03',
  '000000000000000000003',
  'ffffffffffffffffff',
  '3;a',
  '3 ;a',
  '3;a=b',
  '3;a="b"',
  '3;a="b',
  '3;',
  '3;\0',
  '3;a\x01',
  '3;a b',
] as const
const CONNECTIONS = ['keep-alive', 'close', 'x', 'close, x', ''] as const
const STATUSES = [
  '200 OK',
  '204 No Content',
  '304 x',
  '404',
  '500 \xff',
  '099 x',
  '600 x',
  '20 x',
  '2000 x',
  '+20 x',
  ' 200 x',
  '200 a\x01',
  '200\tx',
] as const
const DAMAGE = [
  '\r',
  '\n',
  '\r\n',
  ' ',
  '\t',
  '\0',
  ':',
  ',',
  ';',
  '0',
  '3',
  'g',
  '_',
  '-',
  '\x0b',
  '\xff',
  '\x7f',
] as const

/** One stream of one to three messages, one character a byte. */
export function stream(kind: 'requests' | 'responses', random: Random): string {
  let text = ''
  const count = 1 + random.below(3)
  for (let i = 0; i < count; i++) text += kind === 'requests' ? request(random) : response(random)
  return chance(random, 2) ? damaged(text, random) : text
}

function request(random: Random): string {
  const method = pick(random, METHODS)
  const target = chance(random, 8) ? pick(random, TARGETS) : '/path'
  const version = chance(random, 16) ? pick(random, VERSIONS) : 'HTTP/1.1'
  const { lines, body } = framed(random)
  if (!chance(random, 30)) lines.splice(random.below(lines.length + 1), 0, 'Host: a')
  return head(`${method} ${target} ${version}`, lines, random) + body
}

function response(random: Random): string {
  const status = chance(random, 4) ? pick(random, STATUSES) : '200 OK'
  const version = chance(random, 16) ? pick(random, VERSIONS) : 'HTTP/1.1'
  const { lines, body } = framed(random)
  const hasBody = !status.startsWith('204') && !status.startsWith('304')
  return head(`${version} ${status}`, lines, random) + (hasBody ? body : '')
}

function head(first: string, lines: readonly string[], random: Random): string {
  let text = chance(random, 40) ? pick(random, ['\r\n', '\n', '\r\n\r\n'] as const) : ''
  for (const line of [first, ...lines, '']) text += line + end(random)
  return text
}

function end(random: Random): string {
  return chance(random, 60) ? pick(random, ENDS) : '\r\n'
}

function framed(random: Random): { lines: string[]; body: string } {
  const lines: string[] = []
  for (let i = random.below(4); i > 0; i--) lines.push(field(random))
  let body = ''
  switch (random.below(6)) {
    case 0:
    case 1:
      break
    case 2: {
      body = 'abcdef'.slice(0, random.below(7))
      lines.push(`Content-Length: ${body.length}`)
      break
    }
    case 3:
      body = chunks(random)
      lines.push('Transfer-Encoding: chunked')
      break
    case 4:
      lines.push(`Content-Length:${chance(random, 2) ? ' ' : ''}${pick(random, LENGTHS)}`)
      body = 'abc'
      break
    default:
      lines.push(`Transfer-Encoding: ${pick(random, CODINGS)}`)
      body = chunks(random)
  }
  if (chance(random, 40)) lines.push('Content-Length: 3')
  if (chance(random, 40)) lines.push('Transfer-Encoding: chunked')
  return { lines, body }
}

function field(random: Random): string {
  if (chance(random, 12)) return `Connection: ${pick(random, CONNECTIONS)}`
  const name = chance(random, 3) ? pick(random, NAMES) : 'X-Field'
  const value = chance(random, 2) ? pick(random, VALUES) : 'value'
  return `${name}:${chance(random, 3) ? '' : ' '}${value}`
}

function chunks(random: Random): string {
  let text = ''
  for (let i = random.below(3); i > 0; i--) {
    const size = chance(random, 5)
      ? pick(random, SIZES)
      : pick(random, ['3', '03', '3;x=y'] as const)
    text += `${size}${end(random)}abc${end(random)}`
  }
  text += `0${chance(random, 10) ? ';x' : ''}${end(random)}`
  for (let i = chance(random, 5) ? 1 + random.below(2) : 0; i > 0; i--)
    text += field(random) + end(random)
  return text + end(random)
}

function damaged(text: string, random: Random): string {
  let left = text
  for (let i = 1 + random.below(3); i > 0; i--) {
    const at = random.below(left.length + 1)
    const [before, behind] = [left.slice(0, at), left.slice(at)]
    switch (random.below(4)) {
      case 0:
        left = before + pick(random, DAMAGE) + behind
        break
      case 1:
        left = before + behind.slice(1)
        break
      case 2:
        left = before + pick(random, DAMAGE) + behind.slice(1)
        break
      default:
        left = before + behind.slice(0, 1 + random.below(10)) + behind
    }
  }
  return left
}

function chance(random: Random, one: number): boolean {
  return random.below(one) === 0
}

function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.below(list.length)] as T // The place is below the length.
}
