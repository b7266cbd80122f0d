import * as fc from 'fast-check'

/** Requests and answers, legal and not, as text of one character a byte. */

const token = fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}$/)
const value = fc.stringMatching(
  /^([\x21-\x7e\x80-\xff]([\t \x21-\x7e\x80-\xff]{0,20}[\x21-\x7e])?)?$/,
)
/** Any bytes. */
function bytes(minLength: number, maxLength: number): fc.Arbitrary<string> {
  return fc.uint8Array({ minLength, maxLength }).map((list) => Buffer.from(list).toString('latin1'))
}

const blank = fc.constantFrom('', ' ', '\t', '  ')

const field = fc
  .tuple(token, blank, value, blank)
  .filter(
    ([name]) =>
      !/^(content.length|transfer.encoding|host|expect|upgrade|te|trailer|connection|via|date|keep.alive|proxy.*|x.*)$/i.test(
        name,
      ),
  )
  .map(([name, before, text, after]) => `${name}:${before}${text}${after}\r\n`)

const chunk = fc
  .tuple(bytes(1, 40), fc.constantFrom('', ';a', ';a=b', ';name="quoted, text"'), fc.boolean())
  .map(([data, extension, isUpper]) => {
    const size = data.length.toString(16)
    return `${isUpper ? size.toUpperCase() : size}${extension}\r\n${data}\r\n`
  })

/** A body with the field that says where it ends. */
const framed = fc.oneof(
  fc.constant({ field: '', body: '' }),
  bytes(0, 60).map((body) => ({
    field: `Content-Length: ${body.length}\r\n`,
    body,
  })),
  fc
    .tuple(fc.array(chunk, { maxLength: 4 }), fc.array(field, { maxLength: 2 }))
    .map(([chunks, trailers]) => ({
      field: 'Transfer-Encoding: chunked\r\n',
      body: `${chunks.join('')}0\r\n${trailers.join('')}\r\n`,
    })),
)

/** A request that RFC 9112 allows. */
export const request = fc
  .record({
    method: fc.oneof(fc.constantFrom('GET', 'POST', 'HEAD', 'OPTIONS', 'DELETE'), token),
    target: fc.stringMatching(/^\/[a-z0-9_~%=&?!$'()*+,;:@|-]{0,20}$/),
    fields: fc.array(field, { maxLength: 6 }),
    framed,
    at: fc.nat(6),
  })
  .map(({ method, target, fields, framed: { field: frame, body }, at }) => {
    const lines = [...fields.slice(0, at), 'Host: a\r\n', frame, ...fields.slice(at)]
    return `${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n${body}`
  })

/** An answer that RFC 9112 allows, to a GET, whose end it says itself. */
export const response = fc
  .record({
    status: fc.constantFrom(200, 204, 304, 404, 500, 599),
    reason: fc.stringMatching(/^[\t\x20-\x7e\x80-\xff]{0,10}$/),
    fields: fc.array(field, { maxLength: 6 }),
    framed: framed.filter(({ field: frame }) => frame !== ''),
  })
  .map(({ status, reason, fields, framed: { field: frame, body } }) => {
    const hasBody = status !== 204 && status !== 304
    return `HTTP/1.1 ${status} ${reason}\r\n${fields.join('')}${frame}\r\n${hasBody ? body : ''}`
  })

const damage = fc.record({
  at: fc.nat(),
  kind: fc.constantFrom('insert', 'delete', 'replace', 'repeat'),
  text: fc.oneof(
    fc.constantFrom(
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
      'g',
      '\x0b',
      '\xff',
      '_',
    ),
    fc.constantFrom('Content-Length: 3\r\n', 'Transfer-Encoding: chunked\r\n', 'Host: b\r\n'),
  ),
})

/** The same with something done to it, at most three times. */
export function damaged(message: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc
    .tuple(message, fc.array(damage, { minLength: 1, maxLength: 3 }))
    .map(([text, blows]) => {
      let damagedText = text
      for (const { at, kind, text: inserted } of blows) {
        const place = at % (damagedText.length + 1)
        const before = damagedText.slice(0, place)
        const behind = damagedText.slice(place)
        if (kind === 'insert') damagedText = before + inserted + behind
        else if (kind === 'delete') damagedText = before + behind.slice(1)
        else if (kind === 'replace') damagedText = before + inserted + behind.slice(1)
        else damagedText = before + behind.slice(0, 12) + behind
      }
      return damagedText
    })
}
