import {
  CLIENT_HELLO_BYTES_MAX,
  CLIENT_HELLO_RECORDS_MAX,
  HOST_CHARS_MAX,
} from '../../shared/limits.ts'

/** What the first bytes of a connection say of whom a TLS client asks for. */
export type HelloRead =
  /** Undecided before there are `needed` bytes in all. */
  | { readonly type: 'more'; readonly needed: number }
  /** Not TLS, from its first bytes on. */
  | { readonly type: 'other' }
  | { readonly type: 'malformed'; readonly reason: string }
  | {
      readonly type: 'hello'
      /** Lower case, without a dot at the end; null when the client names nobody. */
      readonly serverName: string | null
      /** Of an earlier session, which the client would go on with; null when it has none. */
      readonly ticket: Uint8Array | null
    }

const HANDSHAKE = 22
const CLIENT_HELLO = 1
const RECORD_HEAD_BYTES = 5
const MESSAGE_HEAD_BYTES = 4
/** Longest record without protection (RFC 8446 5.1). */
const RECORD_BYTES_MAX = 16_384
const SERVER_NAME = 0
const SESSION_TICKET = 35
const PRE_SHARED_KEY = 41
const HOST_NAME = 0

/**
 * Reads the server name (RFC 6066 3) and the first ticket (RFC 5077 3.2, RFC 8446 4.2.11) off all bytes that have come so far. Nothing is decrypted, and nothing else of the
 * message is judged: that is the target's business. The message may lie in several records. Looks only at heads of records
 * until everything is there, so that to ask again with more bytes costs nothing.
 */
export function readClientHello(bytes: Uint8Array): HelloRead {
  const gathered = gather(bytes)
  if ('type' in gathered) return gathered
  const cursor = new Cursor(gathered.message)
  const { serverName, ticket } = extensionsIn(cursor)
  if (cursor.isBroken) return malformed('a length that does not fit')
  return serverName === REFUSED
    ? malformed('a server name that is none')
    : { type: 'hello', serverName, ticket }
}

/** No server name looks so. */
const REFUSED = ''

/** The message out of its records, or why not yet. */
function gather(bytes: Uint8Array): HelloRead | { readonly message: Uint8Array } {
  const fragments: Uint8Array[] = []
  let gathered = 0
  let wanted = MESSAGE_HEAD_BYTES
  for (let at = 0; ;) {
    const head = recordAt(bytes, at)
    if ('type' in head) return head
    const end = at + RECORD_HEAD_BYTES + head.length
    const isCut = bytes.length < end
    const fragment = bytes.subarray(at + RECORD_HEAD_BYTES, Math.min(end, bytes.length))
    fragments.push(fragment)
    gathered += fragment.length
    if (wanted === MESSAGE_HEAD_BYTES && gathered >= MESSAGE_HEAD_BYTES) {
      const [type, high = 0, middle = 0, low = 0] = joined(fragments, MESSAGE_HEAD_BYTES)
      if (type !== CLIENT_HELLO) return malformed('a first message that is no ClientHello')
      wanted += (high << 16) | (middle << 8) | low
      if (wanted > CLIENT_HELLO_BYTES_MAX) return malformed('a ClientHello that is too long')
    }
    if (gathered >= wanted) return { message: joined(fragments, wanted) }
    if (isCut) {
      // One of the two that are awaited comes first: the rest of the record, or of the message.
      const needed = Math.min(end, bytes.length + wanted - gathered)
      return { type: 'more', needed }
    }
    at = end
    // A message in crumbs costs a look at each of them every time.
    if (fragments.length === CLIENT_HELLO_RECORDS_MAX) {
      return malformed('a ClientHello in too many records')
    }
  }
}

function recordAt(bytes: Uint8Array, at: number): HelloRead | { readonly length: number } {
  const [type, major] = [bytes[at], bytes[at + 1]]
  if (type !== undefined && type !== HANDSHAKE) return elsewhere(at)
  if (major !== undefined && major !== 3) return elsewhere(at)
  if (bytes.length < at + RECORD_HEAD_BYTES) {
    return {
      type: 'more',
      needed: bytes.length < at + 2 ? bytes.length + 1 : at + RECORD_HEAD_BYTES,
    }
  }
  const length = ((bytes[at + 3] ?? 0) << 8) | (bytes[at + 4] ?? 0)
  if (length === 0 || length > RECORD_BYTES_MAX)
    return malformed('a record of a length that none has')
  return { length }
}

function elsewhere(at: number): HelloRead {
  return at === 0 ? { type: 'other' } : malformed('another record within the ClientHello')
}

function joined(fragments: readonly Uint8Array[], length: number): Uint8Array {
  const [first] = fragments
  if (first !== undefined && first.length >= length) return first.subarray(0, length)
  const whole = new Uint8Array(length)
  let at = 0
  for (const fragment of fragments) {
    const part = fragment.subarray(0, length - at)
    whole.set(part, at)
    at += part.length
  }
  return whole
}

type Extensions = { readonly serverName: string | null; readonly ticket: Uint8Array | null }

/** Name null: none is named. REFUSED: what is named is no host. Leaves the cursor broken when lengths do not fit. */
function extensionsIn(message: Cursor): Extensions {
  // Version and random, session, cipher suites, compression methods (RFC 8446 4.1.2).
  message.skip(MESSAGE_HEAD_BYTES + 2 + 32)
  message.skip(message.number(1))
  message.skip(message.number(2))
  message.skip(message.number(1))
  // A client may leave extensions out altogether.
  if (message.isAtEnd) return { serverName: null, ticket: null }
  const extensions = message.part(message.number(2))
  if (!message.isAtEnd) message.isBroken = true
  let serverName: string | null = null
  let ticket: Uint8Array | null = null
  while (!extensions.isAtEnd && !extensions.isBroken) {
    const type = extensions.number(2)
    const extension = extensions.part(extensions.number(2))
    if (type === SESSION_TICKET) ticket ??= bytesOf(extension)
    else if (type === PRE_SHARED_KEY) ticket ??= firstIdentityIn(extension)
    if (type !== SERVER_NAME) continue
    if (serverName !== null) return { serverName: REFUSED, ticket }
    serverName = nameIn(extension)
    if (extension.isBroken) message.isBroken = true
  }
  if (extensions.isBroken) message.isBroken = true
  return { serverName, ticket }
}

/** Null where there is nothing, or no such thing: whoever does the handshake judges that. */
function firstIdentityIn(extension: Cursor): Uint8Array | null {
  const identities = extension.part(extension.number(2))
  return bytesOf(identities.part(identities.number(2)))
}

function bytesOf(cursor: Cursor): Uint8Array | null {
  const bytes = cursor.rest()
  return bytes.length === 0 ? null : bytes
}

/** One name of the one type that there is; others are not known to anybody. */
function nameIn(extension: Cursor): string {
  const list = extension.part(extension.number(2))
  const type = list.number(1)
  const name = list.part(list.number(2))
  if (!extension.isAtEnd || list.isBroken) extension.isBroken = true
  if (type !== HOST_NAME || !list.isAtEnd) return REFUSED
  return hostIn(name.rest())
}

function hostIn(bytes: Uint8Array): string {
  const text = String.fromCharCode(...bytes.subarray(0, HOST_CHARS_MAX + 2)).toLowerCase()
  const host = text.endsWith('.') ? text.slice(0, -1) : text
  const isHost = host.length <= HOST_CHARS_MAX && /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(host)
  return isHost ? host : REFUSED
}

function malformed(reason: string): HelloRead {
  return { type: 'malformed', reason }
}

/** Reads along bytes; once it was asked for more than there is, it is broken, and gives nothing any more. */
class Cursor {
  readonly #bytes: Uint8Array
  #at = 0
  isBroken = false

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  number(size: 1 | 2): number {
    const [high = 0, low = 0] = this.#take(size)
    return size === 1 ? high : (high << 8) | low
  }

  skip(size: number): void {
    this.#take(size)
  }

  part(size: number): Cursor {
    return new Cursor(this.#take(size))
  }

  rest(): Uint8Array {
    return this.#bytes.subarray(this.#at)
  }

  #take(size: number): Uint8Array {
    if (this.#at + size > this.#bytes.length) {
      this.isBroken = true
      this.#at = this.#bytes.length
      return NOTHING
    }
    this.#at += size
    return this.#bytes.subarray(this.#at - size, this.#at)
  }
}

const NOTHING = new Uint8Array(0)
