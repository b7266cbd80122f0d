import { assert } from '../../shared/assert.ts'
import {
  formatAddress,
  parseAddress,
  widened,
  type IpAddress,
} from '../../shared/addresses/ip-address.ts'
import {
  HEAD_BYTES_V2,
  SIGNATURE,
  type Endpoint,
  type ProxyEndpoints,
  type ProxyVersion,
} from './proxy-header.ts'

/**
 * The bytes that tell a target whose connection this is. Ends of two families are both told as IPv6. An end whose address
 * cannot be told (a zone, a socket that is gone) makes it UNKNOWN or LOCAL.
 */
export function writeProxyHeader(version: ProxyVersion, endpoints: ProxyEndpoints): Uint8Array {
  const source = addressOf(endpoints.source)
  const destination = addressOf(endpoints.destination)
  if (source === null || destination === null) return version === 'v1' ? UNKNOWN : LOCAL
  const isV4 = source.length === 4 && destination.length === 4
  const ends = isV4
    ? { source, destination }
    : { source: widened(source), destination: widened(destination) }
  const ports = { source: endpoints.source.port, destination: endpoints.destination.port }
  return version === 'v1' ? lineOf(ends, ports) : bytesOf(ends, ports)
}

type Ends = { readonly source: IpAddress; readonly destination: IpAddress }
type Ports = { readonly source: number; readonly destination: number }

const UNKNOWN = asciiOf('PROXY UNKNOWN\r\n')
const LOCAL = Uint8Array.of(...SIGNATURE, 0x20, 0x00, 0, 0)

function addressOf({ address }: Endpoint): IpAddress | null {
  return parseAddress(address)
}

function lineOf({ source, destination }: Ends, ports: Ports): Uint8Array {
  const family = source.length === 4 ? 'TCP4' : 'TCP6'
  const addresses = `${formatAddress(source)} ${formatAddress(destination)}`
  return asciiOf(`PROXY ${family} ${addresses} ${ports.source} ${ports.destination}\r\n`)
}

function bytesOf({ source, destination }: Ends, ports: Ports): Uint8Array {
  assert(source.length === destination.length, 'both ends are of one family')
  const size = 2 * source.length + 4
  const bytes = new Uint8Array(HEAD_BYTES_V2 + size)
  bytes.set(SIGNATURE)
  bytes.set([0x21, source.length === 4 ? 0x11 : 0x21, 0, size], SIGNATURE.length)
  bytes.set(source, HEAD_BYTES_V2)
  bytes.set(destination, HEAD_BYTES_V2 + source.length)
  const at = HEAD_BYTES_V2 + 2 * source.length
  bytes.set([ports.source >> 8, ports.source & 0xff], at)
  bytes.set([ports.destination >> 8, ports.destination & 0xff], at + 2)
  return bytes
}

function asciiOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0))
}
