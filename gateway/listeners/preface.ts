/** What a client says first that speaks HTTP/2, whether it was agreed on in TLS or not (RFC 9113 3.4). */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')

/** Whether the first `end` bytes of a connection begin with the preface of HTTP/2; `part`: they are too few to tell. */
export function prefaceIn(bytes: Buffer, end: number): 'none' | 'part' | 'whole' {
  const length = Math.min(end, PREFACE.length)
  if (PREFACE.compare(bytes, 0, length, 0, length) !== 0) return 'none'
  return length === PREFACE.length ? 'whole' : 'part'
}
