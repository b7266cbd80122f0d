import type { Socket } from 'node:net'
import { PROXY_HEADER_MS_MAX } from '../../shared/limits.ts'
import type { Deadlines } from '../deadlines.ts'
import type { ProxyEndpoints } from '../proxy-protocol/proxy-header.ts'
import { readProxyHeader, type ProxyRead } from '../proxy-protocol/read-proxy-header.ts'
import { FirstBytes } from './first-bytes.ts'

export type ProxyIntakeParts = {
  readonly deadlines: Deadlines
  /** Connections may begin without a header. */
  readonly isOptional: boolean
  /** The connection proper: with what the header says of it, null when it says nothing or is not there. */
  readonly onTaken: (endpoints: ProxyEndpoints | null) => void
  /** There is no header that can be believed, or none in time: close it. */
  readonly onRefused: () => void
}

/** Takes the PROXY header off a connection of a trusted proxy. */
export function takeProxyHeader(socket: Socket, parts: ProxyIntakeParts): void {
  let read: ProxyRead = { type: 'more', needed: 1 }
  const first = new FirstBytes(socket, {
    deadlines: parts.deadlines,
    withinMs: PROXY_HEADER_MS_MAX,
    look: (bytes) => {
      read = readProxyHeader(bytes)
      if (read.type === 'more') return { isDecided: false, needed: read.needed }
      return { isDecided: true, taken: read.type === 'header' ? read.length : 0 }
    },
    onDecided: () => {
      if (read.type === 'header') parts.onTaken(read.endpoints)
      else if (read.type === 'absent' && parts.isOptional) parts.onTaken(null)
      else parts.onRefused()
    },
    onGivenUp: () => parts.onRefused(),
  })
  first.start()
}
