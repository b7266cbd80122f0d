import { PROXY_HEADER_BYTES_MAX, PROXY_LINE_BYTES_MAX } from '../../shared/limits.ts'
import { formatAddress, narrowed, parseAddress } from '../../shared/addresses/ip-address.ts'
import { HEAD_BYTES_V2, SIGNATURE, type Endpoint, type ProxyEndpoints } from './proxy-header.ts'

/** What the first bytes of a connection come to. */
export type ProxyRead =
  /** Undecided before there are `needed` bytes in all. */
  | { readonly type: 'more'; readonly needed: number }
  /** They begin neither version: whatever is spoken here, it is not the PROXY protocol. */
  | { readonly type: 'absent' }
  | { readonly type: 'refused'; readonly reason: string }
  | {
      readonly type: 'header'
      /** Null: the proxy speaks for itself (LOCAL), or cannot tell (UNKNOWN, or addresses that TCP/IP does not have). */
      readonly endpoints: ProxyEndpoints | null
      /** Bytes of the header; the connection proper begins behind them. */
      readonly length: number
    }

/**
 * Reads a PROXY header, version 1 or 2, off all bytes that have come so far. Looks at the same few places whatever came in
 * between, so that to ask again with more bytes costs nothing. Additional fields (TLV) of version 2 are skipped.
 */
export function readProxyHeader(bytes: Uint8Array): ProxyRead {
  const first = bytes[0]
  if (first === undefined) return { type: 'more', needed: 1 }
  if (first === SIGNATURE[0]) return beginsWith(bytes, SIGNATURE, readV2)
  return beginsWith(bytes, LINE_START, readV1)
}

/** `PROXY ` */
const LINE_START = Uint8Array.of(0x50, 0x52, 0x4f, 0x58, 0x59, 0x20)
const CR = 0x0d
const LF = 0x0a

function beginsWith(
  bytes: Uint8Array,
  start: Uint8Array,
  read: (bytes: Uint8Array) => ProxyRead,
): ProxyRead {
  const compared = Math.min(bytes.length, start.length)
  for (let at = 0; at < compared; at++) if (bytes[at] !== start[at]) return { type: 'absent' }
  return compared < start.length ? { type: 'more', needed: compared + 1 } : read(bytes)
}

function readV1(bytes: Uint8Array): ProxyRead {
  const end = Math.min(bytes.length, PROXY_LINE_BYTES_MAX)
  for (let at = LINE_START.length; at < end; at++) {
    const byte = bytes[at] ?? 0
    if (byte === CR) {
      if (at + 1 === PROXY_LINE_BYTES_MAX) return refused('a line that is too long')
      if (at + 1 === bytes.length) return { type: 'more', needed: at + 2 }
      if (bytes[at + 1] !== LF) return refused('a CR without an LF behind it')
      return readLine(textOf(bytes, LINE_START.length, at), at + 2)
    }
    if (byte < 0x20 || byte > 0x7e) return refused('a byte that no line has')
  }
  if (end === PROXY_LINE_BYTES_MAX) return refused('a line that is too long')
  return { type: 'more', needed: bytes.length + 1 }
}

/** What stands between `PROXY ` and the end of the line. */
function readLine(text: string, length: number): ProxyRead {
  // Whatever a sender says behind it is to be ignored (PROXY protocol 2.1).
  if (text === 'UNKNOWN' || text.startsWith('UNKNOWN ')) {
    return { type: 'header', endpoints: null, length }
  }
  const parts = text.split(' ')
  const [family, source = '', destination = '', sourcePort = '', destinationPort = ''] = parts
  const isKnown = family === 'TCP4' || family === 'TCP6'
  if (!isKnown || parts.length !== 5) return refused('a line that is none of version 1')
  const endpoints = {
    source: endpointOf(family, source, sourcePort),
    destination: endpointOf(family, destination, destinationPort),
  }
  if (endpoints.source === null || endpoints.destination === null) {
    return refused('an address or port that is none')
  }
  return {
    type: 'header',
    endpoints: { source: endpoints.source, destination: endpoints.destination },
    length,
  }
}

function endpointOf(family: 'TCP4' | 'TCP6', text: string, port: string): Endpoint | null {
  const isOfFamily = text.includes(':') === (family === 'TCP6')
  const address = isOfFamily ? parseAddress(text) : null
  const isPort = /^(0|[1-9][0-9]{0,4})$/.test(port) && Number(port) <= 65_535
  return address === null || !isPort
    ? null
    : { address: formatAddress(address), port: Number(port) }
}

/** Bytes of both ends by family and transport (PROXY protocol 2.2); other values are refused. */
const ENDS_BYTES: Readonly<Record<number, number>> = {
  0x00: 0,
  0x11: 12,
  0x12: 12,
  0x21: 36,
  0x22: 36,
  0x31: 216,
  0x32: 216,
}
const TCP4 = 0x11
const TCP6 = 0x21

function readV2(bytes: Uint8Array): ProxyRead {
  if (bytes.length < HEAD_BYTES_V2) return { type: 'more', needed: HEAD_BYTES_V2 }
  const [versionAndCommand = 0, family = 0, high = 0, low = 0] = bytes.subarray(SIGNATURE.length)
  const size = (high << 8) | low
  const length = HEAD_BYTES_V2 + size
  if (versionAndCommand !== 0x20 && versionAndCommand !== 0x21) {
    return refused('a version or command that is unknown')
  }
  const needed = ENDS_BYTES[family]
  if (needed === undefined) return refused('a family or transport that is unknown')
  if (length > PROXY_HEADER_BYTES_MAX) return refused('a header that is too long')
  const isLocal = versionAndCommand === 0x20
  if (!isLocal && size < needed) return refused('a header without room for its addresses')
  if (bytes.length < length) return { type: 'more', needed: length }
  const isTcp = family === TCP4 || family === TCP6
  if (isLocal || !isTcp) return { type: 'header', endpoints: null, length }
  return { type: 'header', endpoints: endsOf(bytes, family === TCP4 ? 4 : 16), length }
}

function endsOf(bytes: Uint8Array, size: number): ProxyEndpoints {
  const from = HEAD_BYTES_V2
  const ports = from + 2 * size
  const end = (at: number, port: number): Endpoint => ({
    address: formatAddress(narrowed(bytes.slice(at, at + size))),
    port: ((bytes[port] ?? 0) << 8) | (bytes[port + 1] ?? 0),
  })
  return { source: end(from, ports), destination: end(from + size, ports + 2) }
}

function textOf(bytes: Uint8Array, from: number, to: number): string {
  return String.fromCharCode(...bytes.subarray(from, to))
}

function refused(reason: string): ProxyRead {
  return { type: 'refused', reason: `${reason}, in a PROXY header` }
}
