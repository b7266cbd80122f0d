import { CLIENT_HELLO_BYTES_MAX } from '../../shared/limits.ts'

/** What the beginning of a connection says, before anything of TLS is set up for it. */
export type Hello =
  | { readonly type: 'more' }
  /** Not a TLS handshake, or one that is malformed or too long. */
  | { readonly type: 'none' }
  /** Lower case; null when the client names no host. */
  | { readonly type: 'hello'; readonly serverName: string | null }

const MORE: Hello = { type: 'more' }
const NONE: Hello = { type: 'none' }

const HANDSHAKE = 22
const CLIENT_HELLO = 1
const RECORD_HEAD = 5
const RECORD_BYTES_MAX = 16_384
const SERVER_NAME = 0

/** Reads the first message of a client (RFC 8446 4.1.2), whole or in pieces, for the host that it names (RFC 6066 3). */
export function readClientHello(bytes: Uint8Array): Hello {
  const message: number[] = []
  let wanted = Number.POSITIVE_INFINITY
  for (let at = 0; message.length < wanted;) {
    if (bytes.length > at && bytes[at] !== HANDSHAKE) return NONE
    if (bytes.length > at + 1 && bytes[at + 1] !== 3) return NONE
    if (bytes.length < at + RECORD_HEAD) return MORE
    const size = u16(bytes, at + 3)
    if (size === 0 || size > RECORD_BYTES_MAX) return NONE
    const end = at + RECORD_HEAD + size
    for (let i = at + RECORD_HEAD; i < Math.min(end, bytes.length); i++) message.push(bytes[i] ?? 0)
    if (message.length > 0 && message[0] !== CLIENT_HELLO) return NONE
    if (message.length >= 4) {
      wanted = 4 + (message[1] ?? 0) * 65_536 + u16(message, 2)
      if (wanted > CLIENT_HELLO_BYTES_MAX) return NONE
    }
    if (bytes.length < end && message.length < wanted) return MORE
    at = end
  }
  return readBody(message.slice(4, wanted))
}

function readBody(body: readonly number[]): Hello {
  // Version and random, then three lists that say how long they are.
  let at = 34
  at += 1 + (body[at] ?? 0)
  at += 2 + u16(body, at)
  at += 1 + (body[at] ?? 0)
  if (at > body.length) return NONE
  if (at === body.length) return { type: 'hello', serverName: null }
  const end = at + 2 + u16(body, at)
  if (end !== body.length) return NONE
  at += 2
  while (at < end) {
    const type = u16(body, at)
    const size = u16(body, at + 2)
    if (at + 4 + size > end) return NONE
    if (type === SERVER_NAME) return readServerName(body.slice(at + 4, at + 4 + size))
    at += 4 + size
  }
  return { type: 'hello', serverName: null }
}

function readServerName(list: readonly number[]): Hello {
  const size = u16(list, 3)
  const isOneName = u16(list, 0) === list.length - 2 && list[2] === 0 && size === list.length - 5
  if (!isOneName || size === 0) return NONE
  const name = String.fromCharCode(...list.slice(5)).toLowerCase()
  return /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(name) ? { type: 'hello', serverName: name } : NONE
}

function u16(bytes: ArrayLike<number>, at: number): number {
  return (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0)
}
